//! Texts by the columns that they take on a terminal.

/// Fits a name into so many columns: cut in its middle, or filled up with spaces.
pub(super) fn fit(name: &str, columns: usize) -> String {
    let width = width_of(name);
    if width <= columns {
        return format!("{name}{}", " ".repeat(columns - width));
    }
    let room = columns.saturating_sub(1);
    let (head, head_width) = taken(name.chars(), room - room / 2);
    let (tail, tail_width) = taken(name.chars().rev(), room - head_width);
    let tail: String = tail.chars().rev().collect();
    let rest = " ".repeat(room - head_width - tail_width);
    let mark = if columns == 0 { "" } else { "…" };
    format!("{head}{mark}{tail}{rest}")
}

/// Takes as many characters as so many columns hold. Returns them, and their columns.
fn taken(characters: impl Iterator<Item = char>, room: usize) -> (String, usize) {
    let (mut text, mut width) = (String::new(), 0);
    for character in characters {
        let next = width + width_of_character(character);
        if next > room {
            break;
        }
        width = next;
        text.push(character);
    }
    (text, width)
}

fn width_of(text: &str) -> usize {
    text.chars().map(width_of_character).sum()
}

fn width_of_character(character: char) -> usize {
    console::measure_text_width(character.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wide_characters_count_twice_and_the_middle_is_cut() {
        for (name, columns, fitted) in [
            ("film.mkv", 10, "film.mkv  "),
            ("电影.mkv", 8, "电影.mkv"),
            ("电影.mkv", 9, "电影.mkv "),
            ("a-very-long-name.mkv", 11, "a-ver…e.mkv"),
            ("很长的电影名字.mkv", 12, "很长的….mkv "),
            ("很长的电影名字", 6, "很…字 "),
            ("很", 1, "…"),
            ("很", 0, ""),
            ("", 3, "   "),
        ] {
            assert_eq!(fit(name, columns), fitted, "{name} in {columns}");
        }
    }

    proptest! {
        #[test]
        fn every_name_takes_its_columns(name in "\\PC*", columns in 0_usize..60) {
            prop_assert_eq!(width_of(&fit(&name, columns)), columns);
        }
    }
}
