//! The environment, read once.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A copy of the process's environment; what is empty counts as absent.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Never the values: they may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    pub fn from_process() -> Self {
        let pairs =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(pairs.collect())
    }

    /// The arguments that this process was started with.
    pub fn command_line() -> String {
        std::env::args_os()
            .skip(1)
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of variables that hold secrets.
    pub fn secrets(&self) -> Vec<String> {
        let is_secret =
            |name: &&String| ["PASSWORD", "SECRET_ACCESS_KEY", "SESSION_TOKEN"].iter().any(|end| name.ends_with(end));
        self.0.keys().filter(is_secret).cloned().collect()
    }

    /// The folders of `PATH`, in order.
    pub fn search_path(&self) -> Vec<PathBuf> {
        self.get("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default()
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    pub fn temporary_folder(&self) -> PathBuf {
        self.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }
}
