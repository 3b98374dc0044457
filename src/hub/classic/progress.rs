//! What a method reports while it runs (§4.6).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Serialize;

use super::super::call::CallState;
use super::super::error::HubError;
use super::super::registry::Registry;
use super::replies::add_state;
use crate::base::{ConnectionKey, Keyed as _};
use crate::protocol::classic::{errors, write_progress};
use crate::protocol::hub_protocol::shown;

/// Reports to the caller of a method while it runs: a parameter of asynchronous methods, behind
/// all others. On the wire it is no argument.
///
/// Classic clients get each report before the result. Clients of ASP.NET Core know no progress:
/// what is reported to them goes nowhere; a stream is what they have in its place.
///
/// ```
/// use tickhub::{Call, Hub, HubError, Methods, Progress};
///
/// struct Jobs;
///
/// impl Hub for Jobs {
///     type State = ();
///     fn methods(m: &mut Methods<Self>) {
///         m.on_async("Work", work);
///     }
/// }
///
/// async fn work(
///     _: Call<Jobs>,
///     job: String,
///     progress: Progress<u32>,
/// ) -> Result<String, HubError> {
///     for percent in [0, 50, 100] {
///         progress.report(&percent)?;
///     }
///     Ok(format!("{job} done"))
/// }
/// ```
pub struct Progress<T> {
    call: Rc<CallState>,
    reports: Rc<Reports>,
    what: PhantomData<fn(T)>,
}

impl<T: Serialize> Progress<T> {
    pub(in crate::hub) fn new(call: &Rc<CallState>, reports: &Rc<Reports>) -> Self {
        Self { call: call.clone(), reports: reports.clone(), what: PhantomData }
    }

    /// Reports a value to the caller.
    ///
    /// # Errors
    ///
    /// The call was answered already (§4.6), or the value cannot be written as JSON.
    pub fn report(&self, value: &T) -> Result<(), HubError> {
        if self.call.is_over.get() {
            return Err(HubError::internal(
                "InvalidOperationException",
                errors::PROGRESS_AFTER_COMPLETION,
            ));
        }
        let Some(id) = self.call.classic_id() else { return Ok(()) };
        let mut element = Vec::new();
        write_progress(&mut element, shown(&id), value, None)
            .map_err(|error| HubError::internal("InvalidOperationException", error.detail))?;
        let report = Report { connection: self.call.connection, id, element };
        self.reports.0.borrow_mut().push_back(report);
        Ok(())
    }
}

impl<T> fmt::Debug for Progress<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// What methods have reported and was not queued yet.
#[derive(Debug, Default)]
pub(in crate::hub) struct Reports(RefCell<VecDeque<Report>>);

#[derive(Debug)]
struct Report {
    connection: ConnectionKey,
    id: Rc<str>,
    element: Vec<u8>,
}

impl Reports {
    /// Queues everything for its callers. What changed in their state goes along.
    pub(in crate::hub) fn deliver(&self, registry: &mut Registry) {
        loop {
            let next = self.0.borrow_mut().pop_front();
            let Some(Report { connection, id, mut element }) = next else { return };
            // Who was answered hears no more of it (§4.6).
            let Some(asked) = registry.asked(&id) else { continue };
            if let Some(changes) = asked.state.changes() {
                add_state(&mut element, &changes);
            }
            let slot = connection.slot();
            let delivered = registry.broadcast_element(
                |registry, slots| {
                    if registry.get(connection).is_some() {
                        slots.push(slot);
                    }
                },
                &element,
            );
            delivered.ignore();
        }
    }
}
