//! The order of the requests that wait in a class: a lane for each priority. No operation takes longer the more of them wait.

use std::collections::{BTreeSet, VecDeque};

use super::Priority;

/// How many requests of high priority may precede one of low priority.
pub(super) const MAX_HIGH_RUN: usize = 3;

/// A ticket's place in its lane. It keeps its number for all attempts, so that a later one precedes requests that came later.
pub(super) type Number = u64;

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// How many places of its own lane go first.
    place: usize,
    /// How many places go first.
    pub(super) position: usize,
    pub(super) is_booked: bool,
}

/// Both lanes: three places of high priority, then one of low priority, while there are both.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    high: Lane,
    low: Lane,
    /// How many requests of high priority were sent since the last one of low priority.
    high_run: usize,
}

impl Lanes {
    /// Returns where a ticket with this number stands, or would stand: a newcomer, without a number, gets the first free place.
    pub(super) fn standing(&self, priority: Priority, number: Option<Number>) -> Standing {
        let (place, is_booked) = self.lane(priority).find(number);
        Standing {
            place,
            position: place + self.others_before(priority, place),
            is_booked,
        }
    }

    /// Takes the place that [`standing`](Lanes::standing) told. Nobody else's number changes.
    pub(super) fn book(&mut self, priority: Priority, number: Option<Number>) -> Number {
        self.lane_mut(priority).book(number)
    }

    /// Frees a place, for the next newcomer. Without effect if it was passed.
    pub(super) fn leave(&mut self, priority: Priority, number: Number) {
        self.lane_mut(priority).leave(number);
    }

    /// The ticket that stands here is sent. The places before it are passed.
    pub(super) fn send(&mut self, priority: Priority, standing: Standing) {
        self.pass_before(priority, standing);
        self.lane_mut(priority).pass(1);
        match priority {
            Priority::High => self.high_run = self.high_run.saturating_add(1),
            Priority::Low => self.high_run = 0,
        }
    }

    /// Passes the places before this one, in both lanes: their tickets must book again.
    pub(super) fn pass_before(&mut self, priority: Priority, standing: Standing) {
        let Standing {
            place, position, ..
        } = standing;
        let other = match priority {
            Priority::High => Priority::Low,
            Priority::Low => Priority::High,
        };
        self.lane_mut(priority).pass(place);
        self.lane_mut(other).pass(position - place);
    }

    /// Passes the free places at the head of each lane.
    pub(super) fn pass_free(&mut self) {
        self.high.pass_free();
        self.low.pass_free();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.high.len() + self.low.len() == 0
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.high.waiting() + self.low.waiting()
    }

    fn others_before(&self, priority: Priority, place: usize) -> usize {
        // So many of high priority precede the first one of low priority.
        let first_run = MAX_HIGH_RUN.saturating_sub(self.high_run);
        match priority {
            Priority::High if place < first_run => 0,
            Priority::High => self.low.len().min(1 + (place - first_run) / MAX_HIGH_RUN),
            Priority::Low => self.high.len().min(first_run + place * MAX_HIGH_RUN),
        }
    }

    fn lane(&self, priority: Priority) -> &Lane {
        match priority {
            Priority::High => &self.high,
            Priority::Low => &self.low,
        }
    }

    fn lane_mut(&mut self, priority: Priority) -> &mut Lane {
        match priority {
            Priority::High => &mut self.high,
            Priority::Low => &mut self.low,
        }
    }
}

/// Places in the order of their numbers. Newcomers have consecutive ones, so that nothing need be kept for each.
#[derive(Debug, Default)]
struct Lane {
    /// Tickets whose places were passed and that have booked again.
    returned: VecDeque<Number>,
    /// The places from this number ...
    first: Number,
    /// ... up to this one.
    next: Number,
    /// Those of them whose tickets have left.
    free: BTreeSet<Number>,
}

impl Lane {
    fn len(&self) -> usize {
        self.returned.len() + distance(self.first, self.next)
    }

    fn waiting(&self) -> usize {
        self.len() - self.free.len()
    }

    /// Returns the place, and whether it is the ticket's already.
    fn find(&self, number: Option<Number>) -> (usize, bool) {
        let returned = self.returned.len();
        match number {
            Some(number) if number >= self.first => (returned + distance(self.first, number), true),
            Some(number) => match self.returned.binary_search(&number) {
                Ok(place) => (place, true),
                Err(place) => (place, false),
            },
            None => {
                let number = self.free.first().unwrap_or(&self.next);
                (returned + distance(self.first, *number), false)
            }
        }
    }

    fn book(&mut self, number: Option<Number>) -> Number {
        match number {
            Some(number) => {
                if let (place, false) = self.find(Some(number)) {
                    self.returned.insert(place, number);
                }
                number
            }
            None => self.free.pop_first().unwrap_or_else(|| {
                self.next += 1;
                self.next - 1
            }),
        }
    }

    fn leave(&mut self, number: Number) {
        if number < self.first {
            if let Ok(place) = self.returned.binary_search(&number) {
                self.returned.remove(place);
            }
            return;
        }
        self.free.insert(number);
        while self.next > self.first && self.free.remove(&(self.next - 1)) {
            self.next -= 1;
        }
    }

    fn pass(&mut self, places: usize) {
        if places == 0 {
            return;
        }
        let returned = places.min(self.returned.len());
        self.returned.drain(..returned);
        let passed = Number::try_from(places - returned).unwrap_or(Number::MAX);
        self.first = self.first.saturating_add(passed).min(self.next);
        while self.free.first().is_some_and(|free| *free < self.first) {
            self.free.pop_first();
        }
    }

    fn pass_free(&mut self) {
        while self.free.remove(&self.first) {
            self.first += 1;
        }
    }
}

fn distance(from: Number, to: Number) -> usize {
    usize::try_from(to - from).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// The same by a list: who waits, in order, with the free places.
    #[derive(Default)]
    struct Model {
        high: Vec<(Number, bool)>,
        low: Vec<(Number, bool)>,
        run: usize,
    }

    impl Model {
        fn lane(&mut self, priority: Priority) -> &mut Vec<(Number, bool)> {
            match priority {
                Priority::High => &mut self.high,
                Priority::Low => &mut self.low,
            }
        }

        fn order(&self) -> Vec<(Priority, Number)> {
            let (mut high, mut low) = (self.high.iter(), self.low.iter());
            let mut run = self.run;
            let mut order = Vec::new();
            loop {
                let takes_high = low.len() == 0 || (high.len() > 0 && run < MAX_HIGH_RUN);
                let (lane, priority) = if takes_high {
                    (&mut high, Priority::High)
                } else {
                    (&mut low, Priority::Low)
                };
                let Some((number, _)) = lane.next() else {
                    return order;
                };
                run = if takes_high { run + 1 } else { 0 };
                order.push((priority, *number));
            }
        }

        fn waiting(&self) -> usize {
            let places = self.high.iter().chain(&self.low);
            places.filter(|(_, is_free)| !is_free).count()
        }
    }

    #[test]
    fn order_is_that_of_a_list_under_random_operations() {
        for seed in 0..200 {
            let mut rng = Rng::with_seed(seed);
            let mut lanes = Lanes::default();
            let mut model = Model::default();
            let mut tickets: Vec<(Priority, Number)> = Vec::new();
            for _ in 0..150 {
                let priority = *rng.choice(&[Priority::High, Priority::Low]).unwrap();
                match rng.u8(0..8) {
                    0..4 => {
                        let number = lanes.book(priority, None);
                        let lane = model.lane(priority);
                        match lane.iter_mut().find(|(_, is_free)| *is_free) {
                            Some(free) => assert_eq!(*free, (number, true), "seed {seed}"),
                            None => lane.push((number, true)),
                        }
                        let place = lane.iter_mut().find(|(other, _)| *other == number);
                        place.unwrap().1 = false;
                        tickets.push((priority, number));
                    }
                    4 if !tickets.is_empty() => {
                        let (priority, number) = tickets.swap_remove(rng.usize(..tickets.len()));
                        let was_passed = !lanes.standing(priority, Some(number)).is_booked;
                        let is_returned = number < lanes.lane(priority).first;
                        lanes.leave(priority, number);
                        let lane = model.lane(priority);
                        if is_returned {
                            lane.retain(|(other, _)| *other != number);
                        } else if !was_passed {
                            let place = lane.iter_mut().find(|(other, _)| *other == number);
                            place.unwrap().1 = true;
                            while lane.last().is_some_and(|(_, is_free)| *is_free) {
                                lane.pop();
                            }
                        }
                    }
                    5 if !tickets.is_empty() => {
                        let (priority, number) = tickets[rng.usize(..tickets.len())];
                        let standing = lanes.standing(priority, Some(number));
                        if !standing.is_booked {
                            lanes.book(priority, Some(number));
                            let lane = model.lane(priority);
                            let place = lane.partition_point(|(other, _)| *other < number);
                            lane.insert(place, (number, false));
                            continue;
                        }
                        let order = model.order();
                        for (priority, number) in &order[..=standing.position] {
                            let lane = model.lane(*priority);
                            lane.retain(|(other, _)| other != number);
                        }
                        model.run = match priority {
                            Priority::High => model.run + 1,
                            Priority::Low => 0,
                        };
                        lanes.send(priority, standing);
                    }
                    _ => {}
                }
                for (position, (priority, number)) in model.order().into_iter().enumerate() {
                    let standing = lanes.standing(priority, Some(number));
                    assert_eq!(standing.position, position, "seed {seed}");
                    assert!(standing.is_booked, "seed {seed}");
                }
                assert_eq!(lanes.waiting(), model.waiting(), "seed {seed}");
            }
        }
    }

    #[test]
    fn free_places_at_the_head_can_be_passed() {
        let mut lanes = Lanes::default();
        let numbers = [(); 4].map(|()| lanes.book(Priority::High, None));
        for number in [1, 0] {
            lanes.leave(Priority::High, numbers[number]);
        }
        let last = |lanes: &Lanes| lanes.standing(Priority::High, Some(numbers[3])).position;
        assert_eq!(last(&lanes), 3);
        lanes.pass_free();
        assert_eq!(last(&lanes), 1);
        assert_eq!(lanes.waiting(), 2);
    }
}
