//! `wasi:config/store`: the settings that the operator gives the plugin.

use wasmtime::Result as Trapping;

use crate::sandbox::bindings::wasi::config::store::{Error, Host};
use crate::sandbox::store::CallState;

impl Host for CallState {
    fn get(&mut self, key: String) -> Trapping<Result<Option<String>, Error>> {
        let (context, _) = self.host_call()?;
        Ok(Ok(context.plugin.settings.get(&key).cloned()))
    }

    fn get_all(&mut self) -> Trapping<Result<Vec<(String, String)>, Error>> {
        let (context, _) = self.host_call()?;
        Ok(Ok(context.plugin.settings.clone().into_iter().collect()))
    }
}
