//! Every `plugin.toml` of the repository, plugins and fixtures alike, is one that the host takes.

use portcullis::manifest::Manifest;
use portcullis_tests::repository;

#[test]
fn every_manifest_of_the_repository_is_valid() {
    let mut count = 0;
    for workspace in ["plugins", "tests/fixtures"] {
        for entry in std::fs::read_dir(repository().join(workspace)).expect("the workspace is there") {
            let folder = entry.expect("the workspace can be listed").path();
            if folder.join("plugin.toml").is_file() {
                let manifest =
                    Manifest::load(&folder).unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()));
                assert_eq!(
                    Some(manifest.name.as_str()),
                    folder.file_name().and_then(|name| name.to_str())
                );
                count += 1;
            }
        }
    }
    assert!(count >= 9, "only {count} manifests");
}
