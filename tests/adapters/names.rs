//! The two clients have the same names and the same methods with the same parameters: a program moves from one to the other by
//! its `await`s. Their sources are compared, since a method that only one of them has compiles.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{FnArg, ImplItem, Item, Pat, Signature, TraitItem, Type, UseTree, Visibility};

/// The types and traits whose methods are compared.
const COMPARED: [&str; 11] = [
    "Batch",
    "Client",
    "ClientBuilder",
    "OfflineDownload",
    "Files",
    "ImageBed",
    "Watch",
    "Listing",
    "Transport",
    "Clock",
    "Spawner",
];

/// What only one of them has: its HTTP client, `next`, which an iterator has from its trait, streams, and the outcomes of dropped futures.
const METHODS_OF_ASYNC: [&str; 8] = [
    "Batch::next()",
    "Client::take_detached()",
    "ClientBuilder::with_client(client)",
    "ClientBuilder::with_client_builder(builder)",
    "Listing::next()",
    "OfflineDownload::batch_of_stream(ledger, items, policy)",
    "OfflineDownload::take_detached()",
    "Watch::next()",
];
const METHODS_OF_BLOCKING: [&str; 2] = [
    "ClientBuilder::with_agent(agent)",
    "ClientBuilder::with_config(config)",
];
const NAMES_OF_ASYNC: [&str; 1] = ["reqwest"];
const NAMES_OF_BLOCKING: [&str; 1] = ["ureq"];

/// The maximum number of names at a crate's root, the core and the HTTP client not counted.
const MAX_NAMES: usize = 33;

#[test]
fn both_adapters_have_the_same_methods() {
    let methods = |adapter| {
        let methods: BTreeSet<String> = sources(adapter).iter().flat_map(methods).collect();
        for name in COMPARED {
            let prefix = format!("{name}::");
            let found = methods.iter().any(|method| method.starts_with(&prefix));
            assert!(found, "{adapter} has no methods of `{name}`");
        }
        methods
    };
    let (ours, theirs) = (methods("pan123-async"), methods("pan123-blocking"));
    assert_eq!(alone(&ours, &theirs), METHODS_OF_ASYNC);
    assert_eq!(alone(&theirs, &ours), METHODS_OF_BLOCKING);
}

#[test]
fn both_adapters_have_the_same_names_at_their_roots() {
    let (ours, theirs) = (root("pan123-async"), root("pan123-blocking"));
    assert_eq!(alone(&ours, &theirs), NAMES_OF_ASYNC);
    assert_eq!(alone(&theirs, &ours), NAMES_OF_BLOCKING);
    for names in [ours, theirs] {
        let crates = ["proto", "reqwest", "ureq"];
        let own = names.iter().filter(|name| !crates.contains(&name.as_str()));
        assert!(own.count() <= MAX_NAMES, "{names:?}");
    }
}

fn alone<'a>(ones: &'a BTreeSet<String>, others: &'a BTreeSet<String>) -> Vec<&'a str> {
    ones.difference(others).map(String::as_str).collect()
}

fn src(adapter: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.join("../crates").join(adapter).join("src")
}

fn parse(path: &Path) -> syn::File {
    let source = fs::read_to_string(path).expect("a source file");
    syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All source files of an adapter.
fn sources(adapter: &str) -> Vec<syn::File> {
    let mut files = Vec::new();
    let mut dirs = vec![src(adapter)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(parse(&path));
            }
        }
    }
    files
}

/// The public methods of a file, each as `Type::method(parameter, parameter)`.
fn methods(file: &syn::File) -> Vec<String> {
    let mut methods = Vec::new();
    for item in &file.items {
        match item {
            Item::Impl(item) if item.trait_.is_none() => {
                let Type::Path(owner) = &*item.self_ty else {
                    continue;
                };
                let owner = owner.path.segments.last().expect("a name");
                let owner = owner.ident.to_string();
                for item in &item.items {
                    if let ImplItem::Fn(method) = item
                        && matches!(method.vis, Visibility::Public(_))
                    {
                        methods.extend(written(&owner, &method.sig));
                    }
                }
            }
            Item::Trait(item) => {
                for method in &item.items {
                    if let TraitItem::Fn(method) = method {
                        methods.extend(written(&item.ident.to_string(), &method.sig));
                    }
                }
            }
            _ => {}
        }
    }
    methods
}

fn written(owner: &str, method: &Signature) -> Option<String> {
    let parameters = method.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(input) => Some(match &*input.pat {
            Pat::Ident(name) => name.ident.to_string(),
            _ => panic!("a parameter of `{}` has no name", method.ident),
        }),
    });
    let parameters: Vec<String> = parameters.collect();
    let (name, parameters) = (&method.ident, parameters.join(", "));
    COMPARED
        .contains(&owner)
        .then(|| format!("{owner}::{name}({parameters})"))
}

/// The names that the root of an adapter exports.
fn root(adapter: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in parse(&src(adapter).join("lib.rs")).items {
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => {
                add_names(&item.tree, &mut names);
            }
            Item::Mod(item) if matches!(item.vis, Visibility::Public(_)) => {
                names.insert(item.ident.to_string());
            }
            _ => {}
        }
    }
    names
}

fn add_names(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => add_names(&path.tree, names),
        UseTree::Name(name) => _ = names.insert(name.ident.to_string()),
        UseTree::Rename(name) => _ = names.insert(name.rename.to_string()),
        UseTree::Group(group) => {
            for tree in &group.items {
                add_names(tree, names);
            }
        }
        UseTree::Glob(_) => panic!("a root must name what it exports"),
    }
}
