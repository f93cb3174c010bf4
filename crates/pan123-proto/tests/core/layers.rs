//! Holds the order of the layers: a module imports only from the ones before it.

use std::collections::HashMap;

/// The modules at the root of the crate, by layer. Modules of one layer may import each other.
const LAYERS: [&[&str]; 13] = [
    &["error", "ids", "task", "text", "wait"],
    &["trace"],
    &["wire"],
    &["endpoint"],
    &["api", "callback"],
    &["machine"],
    &["ledger"],
    &["policy"],
    &["exchange"],
    &["auth"],
    &["session"],
    &["call"],
    &["flow"],
];

/// Every file of the crate, with its path below `src`.
fn files() -> Vec<(String, String)> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may read the sources of its own crate"
    )]
    fn collect(dir: &std::path::Path, root: &std::path::Path, files: &mut Vec<(String, String)>) {
        for entry in dir.read_dir().expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, root, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below the root");
                let text = std::fs::read_to_string(&path).expect("a readable source");
                files.push((name.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files
}

/// The root modules that a source names as `crate::module`, in code that is neither a comment nor a test.
fn named_modules(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            line.match_indices("crate::")
                .map(move |(at, _)| &line[at + 7..])
        })
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        })
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

#[test]
fn modules_import_only_from_the_layers_before_them() {
    let layer: HashMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer)))
        .collect();
    let mut checked = 0;
    for (path, text) in files() {
        let module = path.split(['/', '.']).next().unwrap_or_default();
        if ["lib", "layers"].contains(&module) || path.ends_with("tests.rs") {
            continue;
        }
        let own = *layer
            .get(module)
            .unwrap_or_else(|| panic!("{path}: `{module}` has no layer"));
        for name in named_modules(&text) {
            let other = layer
                .get(name)
                .unwrap_or_else(|| panic!("{path} names `crate::{name}`, which has no layer"));
            assert!(
                *other <= own,
                "{path} imports `crate::{name}` from a later layer"
            );
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} imports were found");
}

#[test]
fn imports_from_later_layers_are_found() {
    let text = "use crate::error::Error;\n// use crate::flow::X;\nfn f() { crate::call::g() }\n";
    assert_eq!(named_modules(text), ["error", "call"]);
}
