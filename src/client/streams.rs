//! Streams in both directions: calls that are answered by items, and calls that send some along.

use serde::Serialize;

use super::event::{CallId, UploadId};
use super::machine::{Answered, Client, SendError};
use crate::base::Moment;
use crate::protocol::hub_protocol::ToArguments;

impl Client {
    /// Calls a method that answers with a stream: each item is an [`Event::Item`], the end an
    /// [`Event::Completed`].
    ///
    /// [`Event::Item`]: super::Event::Item
    /// [`Event::Completed`]: super::Event::Completed
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn stream(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl ToArguments,
    ) -> Result<CallId, SendError> {
        Ok(self.stream_with(now, method, arguments, 0)?.0)
    }

    /// Like [`Client::invoke`], with streams of ours that the method reads: so many, to be sent
    /// with [`Client::upload`].
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn invoke_with(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl ToArguments,
        uploads: usize,
    ) -> Result<(CallId, Vec<UploadId>), SendError> {
        self.call_with(now, Answered::Once, method, arguments, uploads)
    }

    /// Like [`Client::stream`], with streams of ours that the method reads.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn stream_with(
        &mut self,
        now: Moment,
        method: &str,
        arguments: &impl ToArguments,
        uploads: usize,
    ) -> Result<(CallId, Vec<UploadId>), SendError> {
        self.call_with(now, Answered::ByItems, method, arguments, uploads)
    }

    /// Sends an item.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn upload<T: Serialize + ?Sized>(
        &mut self,
        now: Moment,
        upload: UploadId,
        item: &T,
    ) -> Result<(), SendError> {
        if !self.uploads.contains(&upload.0) {
            return Err(SendError::NotOpen);
        }
        let id = upload.0.to_string();
        self.write(now, |protocol, out| protocol.write_stream_item(out, &id, item))
    }

    /// Ends a stream of ours, with an error or without.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn end_upload(
        &mut self,
        now: Moment,
        upload: UploadId,
        error: Option<&str>,
    ) -> Result<(), SendError> {
        if !self.uploads.contains(&upload.0) {
            return Err(SendError::NotOpen);
        }
        let id = upload.0.to_string();
        self.write(now, |protocol, out| {
            match error {
                Some(error) => protocol.write_error(out, &id, error),
                None => protocol.write_end(out, &id),
            }
            Ok(())
        })?;
        self.uploads.remove(&upload.0);
        Ok(())
    }

    /// Wants no more of a call. A stream ends soon; other calls may end earlier than otherwise, if
    /// their method listens.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was sent.
    pub fn cancel(&mut self, now: Moment, call: CallId) -> Result<(), SendError> {
        self.write(now, |protocol, out| {
            protocol.write_cancel(out, &call.0.to_string());
            Ok(())
        })
    }

    fn call_with(
        &mut self,
        now: Moment,
        answered: Answered,
        method: &str,
        arguments: &impl ToArguments,
        uploads: usize,
    ) -> Result<(CallId, Vec<UploadId>), SendError> {
        // One counter for both, as the clients in the field have it.
        let first = self.next_call;
        let number = first + uploads as u64;
        let ids: Vec<String> = (first..number).map(|upload| upload.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let id = number.to_string();
        self.write(now, |protocol, out| match answered {
            Answered::Once => {
                protocol.write_invocation_with_streams(out, Some(&id), method, arguments, &ids)
            }
            Answered::ByItems => {
                protocol.write_stream_invocation(out, &id, method, arguments, &ids)
            }
        })?;
        self.next_call = number + 1;
        self.calls.insert(number, answered);
        self.uploads.extend(first..number);
        Ok((CallId(number), (first..number).map(UploadId).collect()))
    }
}
