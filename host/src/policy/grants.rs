//! What a plugin may touch: its manifest and the operator's grant, intersected.
