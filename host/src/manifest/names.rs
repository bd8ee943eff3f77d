//! Which names are names. Other code relies on this: a name never holds a separator of a path or of a key.

/// The longest name of a plugin, resource or secret.
pub const MAX_NAME_BYTES: usize = 63;

/// Resource names that paths of the API use themselves.
pub const RESERVED_RESOURCES: [&str; 3] = ["batch", "integrations", "search"];

/// Names at the top of a document that the host uses itself.
pub const RESERVED_FIELDS: [&str; 8] = [
    "id",
    "owner",
    "created_at",
    "updated_at",
    "sort",
    "limit",
    "cursor",
    "count",
];

/// Whether this can be a plugin's or a secret's name: a lower-case letter, then lower-case letters, digits and `-`.
pub fn is_plugin_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'-')
}

/// Whether this can be a resource's name: as a plugin's, and `_` too.
pub fn is_resource_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'-' || byte == b'_')
}

/// Whether this can be a role's name: as a resource's.
pub fn is_role_name(name: &str) -> bool {
    is_resource_name(name)
}

fn is_name(name: &str, is_separator: fn(u8) -> bool) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || is_separator(byte))
}
