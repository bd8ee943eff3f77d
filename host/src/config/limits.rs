//! `[limits]`: the caps over what manifests ask for; a manifest that asks for more gets the cap.

use crate::manifest::{Limits, RawLimits, Source, limits_within_bounds};

/// The caps where the operator says nothing: what one manifest may take without harm to its neighbours.
pub(super) fn default_caps() -> Limits {
    Limits {
        memory_mib: 256,
        deadline_ms: 30_000,
        cpu_ms: 10_000,
        table_elements: 20_000,
        ..Limits::hard_maxima()
    }
}

pub(super) fn read(raw: RawLimits, source: &mut Source<'_>) -> Limits {
    limits_within_bounds(raw, default_caps(), source)
}
