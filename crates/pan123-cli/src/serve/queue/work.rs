//! What the queue does with the ledger: it blocks as long as a disk does.

use std::sync::Arc;

use pan123_async::proto::ledger::{Ending, ItemState, LedgerOp, Refusal};
use pan123_async::{ItemKey, NewItem};

use super::super::books::{Books, lock, not_unique};
use super::super::mirror::{Entry, Mirror, REMOVED};
use super::super::rpc::{Gid, GidPrefix, Position, RpcError};
use super::{Addition, Callbacks, MAX_OPEN};

/// Returns the GID, and whether it is another name of an unconfirmed download.
pub(super) fn add(
    books: &mut Books,
    callbacks: Option<&Callbacks>,
    addition: Addition,
) -> Result<(Gid, bool), RpcError> {
    let Addition {
        gid,
        download,
        note,
        is_paused,
        place,
    } = addition;
    books.read_before_adding()?;
    let mirror = Arc::clone(books.mirror());
    let gid = choose_gid(&lock(&mirror), gid)?;
    let like = lock(&mirror).unconfirmed_like(&download);
    if let Some(like) = like {
        books.add_alias(gid, like)?;
        return Ok((gid, true));
    }
    if lock(&mirror).open() >= MAX_OPEN {
        return Err(RpcError::new(format!(
            "the queue is full: {MAX_OPEN} downloads wait or run"
        )));
    }
    let key = key_of(gid)?;
    let download = match callbacks {
        Some(Callbacks { signer, url }) => download.callback(signer.sign(url, key.as_str())?)?,
        None => download,
    };
    let paused = is_paused.then(|| LedgerOp::Pause(key.clone()));
    books.add(gid, NewItem::new(key, download), note, paused)?;
    if let Some(place) = place {
        move_within(books, gid, place)?;
    }
    Ok((gid, false))
}

fn choose_gid(mirror: &Mirror, wanted: Option<Gid>) -> Result<Gid, RpcError> {
    if let Some(gid) = wanted {
        return if mirror.knows(gid) {
            Err(not_unique(gid))
        } else {
            Ok(gid)
        };
    }
    loop {
        let gid = Gid::random()
            .map_err(|error| RpcError::new(format!("there is no randomness: {error}")))?;
        if !mirror.knows(gid) {
            return Ok(gid);
        }
    }
}

fn key_of(gid: Gid) -> Result<ItemKey, RpcError> {
    Ok(ItemKey::new(gid.to_string())?)
}

/// What a client removed.
pub(super) struct Removed {
    /// The GID that the client used.
    pub(super) name: Gid,
    pub(super) names: Vec<Gid>,
    pub(super) key: ItemKey,
}

pub(super) fn remove(books: &mut Books, gid: &GidPrefix, force: bool) -> Result<Removed, RpcError> {
    let (name, entry) = books.find(gid)?;
    let names = lock(books.mirror()).names(entry.gid);
    let key = entry.key().clone();
    let refused = match (entry.state(), entry.item.task) {
        (ItemState::Queued | ItemState::Paused | ItemState::Claimed | ItemState::Intended, _) => {
            books.change(&entry, LedgerOp::Remove(key.clone()))?
        }
        (ItemState::Running, Some(task)) if force => {
            let ending = Ending::Failed(REMOVED.to_owned());
            let item = entry.id;
            books.change(&entry, LedgerOp::End { item, task, ending })?
        }
        (state, _) => Some(Refusal::State(state)),
    };
    let Some(refusal) = refused else {
        return Ok(Removed { name, names, key });
    };
    Err(RpcError::new(match refusal {
        Refusal::State(ItemState::Intended | ItemState::Claimed) if force => {
            format!("GID#{name} cannot be removed now: it is being sent; try again in a moment")
        }
        Refusal::State(ItemState::Running | ItemState::Intended | ItemState::Claimed) => {
            format!("GID#{name} cannot be removed now: 123pan cannot cancel")
        }
        _ => format!("Active Download not found for GID#{name}"),
    }))
}

/// Moves an item within the queue. Returns its new place; none if it is not queued.
pub(super) fn move_within(
    books: &mut Books,
    gid: Gid,
    position: Position,
) -> Result<Option<usize>, RpcError> {
    let mut order: Vec<Entry> = lock(books.mirror()).queue().cloned().collect();
    let Some(current) = order.iter().position(|entry| entry.gid == gid) else {
        return Ok(None);
    };
    let place = position.place(current, order.len());
    let moved = order.remove(current);
    order.insert(place, moved);
    let (to_front, first_to_last) = moves(&order, place);
    let changed = books.change_all(&first_to_last, |entry| {
        LedgerOp::Move(entry.key().clone(), to_front)
    })?;
    Ok(changed.contains(&gid).then_some(place))
}

/// Returns which items are moved, in this order, and whether to the front, so that the queue is in this order: those up to the place or
/// those after it, whichever are fewer.
fn moves(order: &[Entry], place: usize) -> (bool, Vec<Entry>) {
    if place < order.len() / 2 {
        let before = order.iter().take(place + 1).rev().cloned();
        (true, before.collect())
    } else {
        (false, order.iter().skip(place).cloned().collect())
    }
}
