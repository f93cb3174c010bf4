//! Events scheduled by the clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

/// A scheduled event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The task ends.
    TaskEnds(u64),
    /// The copy ends.
    CopyEnds(u64),
    /// The callback with this index is posted.
    Callback(usize),
}

/// The pending events, earliest first; events at the same time are in order of insertion.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    waiting: BinaryHeap<Reverse<(SystemTime, u64, Event)>>,
    last: u64,
}

impl Schedule {
    pub(super) fn task_ends(&mut self, at: SystemTime, task: u64) {
        self.push(at, Event::TaskEnds(task));
    }

    pub(super) fn copy_ends(&mut self, at: SystemTime, task: u64) {
        self.push(at, Event::CopyEnds(task));
    }

    pub(super) fn callback(&mut self, at: SystemTime, index: usize) {
        self.push(at, Event::Callback(index));
    }

    pub(super) fn callbacks(&self) -> usize {
        let all = self.waiting.iter().map(|Reverse((.., event))| event);
        all.filter(|event| matches!(event, Event::Callback(_)))
            .count()
    }

    pub(super) fn next_at(&self) -> Option<SystemTime> {
        self.waiting.peek().map(|Reverse((at, ..))| *at)
    }

    /// Removes the next event that is due, and returns it with its time.
    pub(super) fn pop(&mut self, now: SystemTime) -> Option<(SystemTime, Event)> {
        if self.next_at()? > now {
            return None;
        }
        self.waiting
            .pop()
            .map(|Reverse((at, _, event))| (at, event))
    }

    fn push(&mut self, at: SystemTime, event: Event) {
        self.last += 1;
        self.waiting.push(Reverse((at, self.last, event)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn earliest_event_comes_first_and_not_early() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        schedule.task_ends(at(9), 1);
        schedule.callback(at(5), 0);
        schedule.task_ends(at(5), 2);

        assert_eq!(schedule.next_at(), Some(at(5)));
        assert_eq!(schedule.pop(at(4)), None);
        assert_eq!(schedule.pop(at(7)), Some((at(5), Event::Callback(0))));
        assert_eq!(schedule.pop(at(7)), Some((at(5), Event::TaskEnds(2))));
        assert_eq!(schedule.pop(at(7)), None);
        assert_eq!(schedule.pop(at(9)), Some((at(9), Event::TaskEnds(1))));
        assert_eq!(schedule.next_at(), None);
    }
}
