//! What the host calls in a plugin: one file per exported interface.

mod crud;
mod hooks;

pub(super) use self::crud::Crud;
pub(super) use self::hooks::Hooks;

use async_trait::async_trait;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};
use wasmtime::{Result, Store};

use crate::capabilities::model::Problem;

use super::bindings::portcullis::plugin::types as wit;
use super::convert::Answer;
use super::fault::Fault;
use super::store::CallState;
use super::trap::Interrupt;

/// One exported interface: the places of its functions, found once. A call is boxed: its type would name lifetimes that
/// the compiler can't prove `Send` for, all the way up to the listener.
#[async_trait]
pub(super) trait Export: Sized + Send + Sync {
    /// A call of one of the functions.
    type Call<'a>: Send;
    /// What the function returns.
    type Reply: Send;

    /// Finds the functions; none where the component does not export the interface.
    fn find(component: &Component) -> Option<Self>;

    /// Checks that the functions have the types that this host calls them with. Runs once, on an instance for trial.
    fn check(&self, store: &mut Store<CallState>, instance: Instance) -> Result<()>;

    /// Calls the function that `call` names. Runs for each attempt of a call.
    async fn call(
        &self,
        store: &mut Store<CallState>,
        instance: Instance,
        call: Self::Call<'_>,
        answer: Answer,
    ) -> Result<std::result::Result<Self::Reply, Problem>>;
}

/// What every function returns: its reply or a problem.
type Returned<T> = std::result::Result<T, wit::Problem>;

/// The places of an interface's functions, in the order of their names. A name that is missing is found missing again
/// by `Export::check`, which has the words for it.
fn functions<const N: usize>(
    component: &Component,
    interface: &str,
    names: [&str; N],
) -> Option<[Option<ComponentExportIndex>; N]> {
    let interface = component.get_export_index(None, interface)?;
    Some(names.map(|name| component.get_export_index(Some(&interface), name)))
}

/// The function at `index`, which takes `P` and returns `R`.
fn function<P, R>(
    store: &mut Store<CallState>,
    instance: Instance,
    index: &Option<ComponentExportIndex>,
) -> Result<TypedFunc<P, (Returned<R>,)>>
where
    P: ComponentNamedList + Lower,
    R: Lift,
{
    let Some(index) = index else {
        return Err(wasmtime::Error::msg("a function of the interface is missing"));
    };
    instance.get_typed_func(store, index)
}

/// Calls the function at `index`, and takes over what it returns.
async fn call<P, R, T>(
    store: &mut Store<CallState>,
    instance: Instance,
    index: &Option<ComponentExportIndex>,
    parameters: P,
    mut answer: Answer,
    take_over: impl FnOnce(&mut Answer, R) -> std::result::Result<T, Fault>,
) -> Result<std::result::Result<T, Problem>>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: Lift + Send + 'static,
{
    let function = function::<P, R>(store, instance, index)?;
    let (returned,) = function.call_async(store, parameters).await?;
    match returned {
        Ok(reply) => take_over(&mut answer, reply).map(Ok),
        Err(problem) => answer.problem(problem).map(Err),
    }
    .map_err(Interrupt::raise)
}
