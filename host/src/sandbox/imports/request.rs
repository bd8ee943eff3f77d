//! `portcullis:plugin/request`: what a plugin may know about the call.

use wasmtime::Result;

use crate::policy::Caller;

use crate::sandbox::bindings::portcullis::plugin::request::{Host, Identity};
use crate::sandbox::store::CallState;

impl Host for CallState {
    fn id(&mut self) -> Result<String> {
        let (context, _) = self.host_call()?;
        Ok(context.request.id.clone())
    }

    fn caller(&mut self) -> Result<Identity> {
        let (context, _) = self.host_call()?;
        Ok(match &context.caller {
            Caller::Anonymous => Identity::Anonymous,
            Caller::Account(account) => Identity::Account(account.id.to_string()),
            Caller::Operator => Identity::Operator,
        })
    }

    fn has_role(&mut self, role: String) -> Result<bool> {
        let (context, _) = self.host_call()?;
        Ok(context.caller.has_role(&role))
    }

    fn now_ms(&mut self) -> Result<u64> {
        let (context, _) = self.host_call()?;
        Ok(context.now_ms())
    }

    fn locale(&mut self) -> Result<String> {
        let (context, _) = self.host_call()?;
        Ok(context.request.locale.clone())
    }

    fn header(&mut self, name: String) -> Result<Option<String>> {
        let (context, _) = self.host_call()?;
        let headers = &context.request.headers;
        Ok(headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.clone()))
    }
}
