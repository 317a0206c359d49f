//! Rooms: who is in them, what was said last, and who is told.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::broadcast;

use super::visitor::Visitor;

/// Messages that a newcomer is shown.
const HISTORY: usize = 50;
/// And how many bytes of text they may have in all.
const HISTORY_BYTES: usize = 256 << 10;
/// Rooms at a time; empty ones make place for new ones.
const ROOMS: usize = 1000;
/// Lines that a visitor may lag behind.
const BACKLOG: usize = 128;

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<BTreeMap<String, Room>>);

#[derive(Debug)]
struct Room {
    /// Tells its seats from those of a room of the same name, of another server or of another time.
    token: u64,
    history: VecDeque<Line>,
    members: BTreeMap<u64, Member>,
    next_seat: u64,
    lines: broadcast::Sender<Utf8Bytes>,
}

#[derive(Debug, Clone, Serialize)]
struct Member {
    seat: String,
    name: String,
    address: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Join,
    Leave,
    Message,
}

/// What everybody in a room is told.
#[derive(Debug, Clone, Serialize)]
struct Line {
    r#type: Kind,
    room: String,
    /// Whose it is: names may be the same, and addresses too.
    seat: String,
    name: String,
    text: String,
    address: String,
    at: String,
}

/// What a newcomer alone is told.
#[derive(Serialize)]
struct Welcome<'a> {
    r#type: &'static str,
    room: &'a str,
    seat: &'a str,
    name: &'a str,
    text: &'static str,
    address: String,
    at: String,
    members: Vec<&'a Member>,
    history: &'a VecDeque<Line>,
}

/// There are too many rooms with somebody in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many rooms")]
pub(super) struct Crowded;

/// A visitor's place in a room; they leave it when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    rooms: Arc<Rooms>,
    visitor: Visitor,
    number: u64,
    /// What the others know it by.
    id: String,
    /// The first frame for the visitor.
    pub(super) welcome: Utf8Bytes,
    /// All further ones.
    pub(super) lines: broadcast::Receiver<Utf8Bytes>,
}

impl Rooms {
    /// Seats a visitor and tells the others.
    pub(super) fn enter(self: &Arc<Self>, visitor: Visitor) -> Result<Seat, Crowded> {
        let mut rooms = self.lock();
        if !rooms.contains_key(&visitor.room) && rooms.len() >= ROOMS {
            let empty = rooms.iter().find(|(_, room)| room.members.is_empty()).map(|(name, _)| name.clone());
            rooms.remove(&empty.ok_or(Crowded)?);
        }
        let room = rooms.entry(visitor.room.clone()).or_insert_with(Room::new);
        let number = room.next_seat;
        room.next_seat += 1;
        let id = format!("{:016x}-{number}", room.token);
        let line = Line::new(Kind::Join, &id, &visitor, String::new());
        // Nobody in the room is no error.
        let _ = room.lines.send(frame(&line));
        let (seat, address) = (id.clone(), line.address.clone());
        room.members.insert(number, Member { seat, name: visitor.name.clone(), address });
        // Under the same lock as the subscription: the newcomer misses no line and gets none twice.
        let welcome = frame(&Welcome {
            r#type: "welcome",
            room: &visitor.room,
            seat: &id,
            name: &visitor.name,
            text: "",
            address: line.address,
            at: line.at,
            members: room.members.values().collect(),
            history: &room.history,
        });
        let lines = room.lines.subscribe();
        drop(rooms);
        Ok(Seat { rooms: Arc::clone(self), visitor, number, id, welcome, lines })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn new() -> Self {
        Self {
            token: RandomState::new().build_hasher().finish(),
            history: VecDeque::new(),
            members: BTreeMap::new(),
            next_seat: 0,
            lines: broadcast::Sender::new(BACKLOG),
        }
    }

    fn remember(&mut self, line: Line) {
        self.history.push_back(line);
        let bytes = |history: &VecDeque<Line>| history.iter().map(|line| line.text.len()).sum::<usize>();
        while self.history.len() > HISTORY || bytes(&self.history) > HISTORY_BYTES {
            self.history.pop_front();
        }
    }
}

impl Seat {
    /// Tells everybody in the room, the speaker too.
    pub(super) fn say(&self, text: String) {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.visitor.room) {
            let line = Line::new(Kind::Message, &self.id, &self.visitor, text);
            let _ = room.lines.send(frame(&line));
            room.remember(line);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get_mut(&self.visitor.room) {
            room.members.remove(&self.number);
            let line = Line::new(Kind::Leave, &self.id, &self.visitor, String::new());
            let _ = room.lines.send(frame(&line));
        }
    }
}

impl Line {
    fn new(kind: Kind, seat: &str, visitor: &Visitor, text: String) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            r#type: kind,
            room: visitor.room.clone(),
            seat: seat.to_owned(),
            name: visitor.name.clone(),
            text,
            address: visitor.address.to_string(),
            at: now.truncate_to_millisecond().format(&Rfc3339).unwrap_or_default(),
        }
    }
}

fn frame(value: &impl Serialize) -> Utf8Bytes {
    // Plain data always serialises.
    serde_json::to_string(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(room: &str, name: &str) -> Visitor {
        Visitor { room: room.to_owned(), name: name.to_owned(), address: "192.0.2.1".parse().unwrap() }
    }

    fn told(seat: &mut Seat) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(line) = seat.lines.try_recv() {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            told.push(format!("{} {} {}", line["type"], line["name"], line["text"]).replace('"', ""));
        }
        told
    }

    #[test]
    fn lines_reach_their_room_in_order_and_no_other() {
        let rooms = Arc::new(Rooms::default());
        let mut ann = rooms.enter(visitor("a", "Ann")).unwrap();
        let mut eve = rooms.enter(visitor("b", "Eve")).unwrap();
        let mut bob = rooms.enter(visitor("a", "Bob")).unwrap();
        ann.say("hello".to_owned());
        assert_eq!(told(&mut bob), ["message Ann hello"]);
        drop(bob);
        assert_eq!(told(&mut ann), ["join Bob ", "message Ann hello", "leave Bob "]);
        assert_eq!(told(&mut eve), Vec::<String>::new());
    }

    #[test]
    fn newcomers_see_the_last_messages_and_who_is_there() {
        let rooms = Arc::new(Rooms::default());
        let ann = rooms.enter(visitor("a", "Ann")).unwrap();
        for number in 0..60 {
            ann.say(number.to_string());
        }
        let bob = rooms.enter(visitor("a", "Bob")).unwrap();
        let welcome: serde_json::Value = serde_json::from_str(&bob.welcome).unwrap();
        let history = welcome["history"].as_array().unwrap();
        assert_eq!(
            (history.len(), &history[0]["text"], &history[49]["text"]),
            (50, &"10".into(), &"59".into())
        );
        assert_eq!(welcome["members"].as_array().unwrap().len(), 2);
        for _ in 0..9 {
            ann.say("x".repeat(60 << 10));
        }
        let eve = rooms.enter(visitor("a", "Eve")).unwrap();
        let welcome: serde_json::Value = serde_json::from_str(&eve.welcome).unwrap();
        assert_eq!(welcome["history"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn empty_rooms_make_place_and_full_ones_do_not() {
        let rooms = Arc::new(Rooms::default());
        let mut seats: Vec<Seat> =
            (0..ROOMS).map(|number| rooms.enter(visitor(&number.to_string(), "x")).unwrap()).collect();
        assert_eq!(rooms.enter(visitor("new", "x")).unwrap_err(), Crowded);
        seats.pop();
        assert!(rooms.enter(visitor("new", "x")).is_ok());
    }
}
