//! What is prepared for the next requests to each path.

use std::collections::{HashMap, VecDeque};

/// Items with how often each is still to be used, by path.
#[derive(Debug)]
pub(crate) struct Queues<T> {
    by_path: HashMap<String, VecDeque<(T, usize)>>,
}

impl<T> Default for Queues<T> {
    fn default() -> Self {
        Self {
            by_path: HashMap::new(),
        }
    }
}

impl<T: Clone> Queues<T> {
    pub(crate) fn push(&mut self, path: &str, item: T, times: usize) {
        if times > 0 {
            let queue = self.by_path.entry(path.to_owned()).or_default();
            queue.push_back((item, times));
        }
    }

    pub(crate) fn next(&mut self, path: &str) -> Option<T> {
        let queue = self.by_path.get_mut(path)?;
        let (item, times) = queue.front_mut()?;
        if *times > 1 {
            *times -= 1;
            return Some(item.clone());
        }
        queue.pop_front().map(|(item, _)| item)
    }
}
