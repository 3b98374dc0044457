//! The hubs of a shard by their type.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

use super::super::Hub;
use super::super::endpoint::HubEndpoint;
use super::ClassicHub;
use crate::base::HashMap;

/// A hub that is served in several ways.
pub(crate) type SharedHub = Rc<RefCell<dyn ClassicHub>>;

/// The first hub of each type.
#[derive(Default)]
pub(crate) struct HubTable(HashMap<TypeId, Rc<dyn Any>>);

impl HubTable {
    /// Remembers a hub, unless one of its type is known.
    pub(crate) fn add<H: Hub>(&mut self, hub: &Rc<RefCell<HubEndpoint<H>>>) {
        self.0.entry(TypeId::of::<H>()).or_insert_with(|| hub.clone());
    }

    /// The first hub of a type.
    pub(crate) fn find<H: Hub>(&self) -> Option<Rc<RefCell<HubEndpoint<H>>>> {
        self.0.get(&TypeId::of::<H>())?.clone().downcast().ok()
    }
}
