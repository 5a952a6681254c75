//! The name of a member, as the path that it gets.

use super::{Fault, MAX_NAME_BYTES};

/// What a name in a central directory stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A file, by its path in the archive.
    File(String),
    /// A file that is not read because of its name, with a path that shows it.
    Refused(String, Fault),
    /// A folder, or a file of a tool or system (`.DS_Store`, `__MACOSX/…`): no export.
    Nothing,
}

/// The systems that write names in UTF-8 without saying so, by their number in "version made by": Unix and macOS.
const HOSTS_WITH_UTF8: [u8; 2] = [3, 19];

/// Reads a name. `flagged` says that it is UTF-8; `unicode` is a second name in an extra field; `host` is the system that it was
/// made by; `index` tells apart what can't be shown in full.
pub(super) fn read(raw: &[u8], flagged: bool, unicode: Option<&str>, host: u8, index: usize) -> Name {
    let text = match (unicode, std::str::from_utf8(raw)) {
        (Some(text), _) => text.to_owned(),
        (None, Ok(text)) if flagged || text.is_ascii() || HOSTS_WITH_UTF8.contains(&host) => text.to_owned(),
        _ => raw.iter().map(|byte| cp437(*byte)).collect(),
    };
    // Windows programs have written `\`; with both in one name it can't be known what is a folder.
    let (slash, backslash) = (text.contains('/'), text.contains('\\'));
    let path = if backslash && !slash { text.replace('\\', "/") } else { text };
    let segments = || path.split('/').filter(|segment| !segment.is_empty() && *segment != ".");
    if segments().any(|segment| segment.starts_with('.') && segment != "..") || segments().next() == Some("__MACOSX") {
        return Name::Nothing;
    }
    let fault = if path.len() > MAX_NAME_BYTES {
        Some(Fault::NameLong)
    } else if path.chars().any(char::is_control) {
        Some(Fault::NameControl)
    } else if path.starts_with('/') || has_drive(&path) {
        Some(Fault::NameAbsolute)
    } else if segments().any(|segment| segment == "..") {
        Some(Fault::NameParent)
    } else if slash && backslash {
        Some(Fault::NameMixed)
    } else {
        None
    };
    match fault {
        Some(fault) => Name::Refused(shown(&path, index), fault),
        None if path.ends_with('/') => Name::Nothing,
        None => {
            let kept = segments().collect::<Vec<_>>().join("/");
            if kept.is_empty() { Name::Refused(shown("", index), Fault::NameControl) } else { Name::File(kept) }
        }
    }
}

/// `C:` at the beginning.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// A path for a name that can't be one: what is not allowed in a path is written as `%2F`.
pub(crate) fn shown(path: &str, index: usize) -> String {
    const LEN: usize = 200;
    let mut text = String::new();
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            text.push_str(if text.is_empty() || text.ends_with('/') { "%2F" } else { "/" });
        }
        match segment {
            "." => text.push_str("%2E"),
            ".." => text.push_str("%2E%2E"),
            segment => {
                for c in segment.chars() {
                    if c.is_control() { text.push_str(&format!("%{:02X}", u32::from(c))) } else { text.push(c) }
                }
            }
        }
    }
    if text.ends_with('/') {
        text.push_str("%2F");
    }
    if text.is_empty() || text.chars().count() > LEN {
        text = text.chars().take(LEN).chain(format!("#{index}").chars()).collect();
        // The cut may have been behind a slash.
        text = text.replace("/#", "%2F#");
    }
    text
}

/// Code page 437, in which names are that say nothing else (APPNOTE.TXT D.1).
fn cp437(byte: u8) -> char {
    const HIGH: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(high) => HIGH.chars().nth(usize::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Name {
        Name::File(text.to_owned())
    }

    #[test]
    fn names_become_paths() {
        let plain = |raw: &[u8]| read(raw, false, None, 0, 7);
        assert_eq!(plain(b"a/b.csv"), file("a/b.csv"));
        assert_eq!(plain(b"./a//b.csv"), file("a/b.csv"));
        assert_eq!(plain(b"a\\b.csv"), file("a/b.csv"));
        assert_eq!(plain(b"a/"), Name::Nothing);
        assert_eq!(plain(b"a\\"), Name::Nothing);
        assert_eq!(plain(b"a/.DS_Store"), Name::Nothing);
        assert_eq!(plain(b".part"), Name::Nothing);
        assert_eq!(plain(b"__MACOSX/a.csv"), Name::Nothing);
        assert_eq!(plain(b"a%2F^.csv"), file("a%2F^.csv"));
    }

    /// Python: `bytes(range(0x80, 0x100)).decode('cp437')`; 0x82 is é, 0xE1 is ß, 0x8E is Ä.
    #[test]
    fn names_are_read_in_the_encoding_that_they_say() {
        assert_eq!(read(b"\x82t\x82.csv", false, None, 0, 0), file("été.csv"));
        assert_eq!(read(b"gro\xe1.csv", false, None, 0, 0), file("groß.csv"));
        assert_eq!(read("été.csv".as_bytes(), true, None, 0, 0), file("été.csv"));
        assert_eq!(read("été.csv".as_bytes(), false, None, 3, 0), file("été.csv"));
        assert_eq!(read("é".as_bytes(), false, None, 0, 0), file("├⌐"));
        assert_eq!(read(b"\x82", true, None, 3, 0), file("é"));
        assert_eq!(read(b"_t_.csv", false, Some("été.csv"), 0, 0), file("été.csv"));
        assert_eq!(cp437(0xff), '\u{a0}');
        assert_eq!((0x80..=0xff).map(cp437).filter(|c| *c == char::REPLACEMENT_CHARACTER).count(), 0);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused_and_shown() {
        let told = |raw: &[u8]| match read(raw, false, None, 0, 7) {
            Name::Refused(shown, fault) => (shown, fault),
            other => panic!("{other:?}"),
        };
        let refused = |shown: &str, fault| (shown.to_owned(), fault);
        assert_eq!(told(b"../x.csv"), refused("%2E%2E/x.csv", Fault::NameParent));
        assert_eq!(told(b"a/../../x.csv"), refused("a/%2E%2E/%2E%2E/x.csv", Fault::NameParent));
        assert_eq!(told(b"a\\..\\x.csv"), refused("a/%2E%2E/x.csv", Fault::NameParent));
        assert_eq!(told(b"/etc/x.csv"), refused("%2Fetc/x.csv", Fault::NameAbsolute));
        assert_eq!(told(b"\\\\server\\x.csv"), refused("%2F/server/x.csv", Fault::NameAbsolute));
        assert_eq!(told(b"C:\\x.csv"), refused("C:/x.csv", Fault::NameAbsolute));
        assert_eq!(told(b"a/b\\c.csv"), refused("a/b\\c.csv", Fault::NameMixed));
        assert_eq!(told(b"a\0.csv"), refused("a%00.csv", Fault::NameControl));
        assert_eq!(told(b""), refused("#7", Fault::NameControl));
        let (shown, fault) = told(&[b'x'; 2000]);
        assert_eq!((shown.len(), fault), (202, Fault::NameLong));
    }

    #[test]
    fn whatever_is_shown_is_a_path() {
        for raw in [&b"//"[..], b"/..", b"..", b"a//../b", b"\x01/\x02/../", b"/", b"\\..", b"..\\"] {
            let (Name::Refused(text, _) | Name::File(text)) = read(raw, false, None, 0, 1) else { continue };
            let path = object_store::path::Path::parse(format!("x.zip!/{text}"));
            assert!(path.is_ok_and(|path| path.as_ref() == format!("x.zip!/{text}")), "{raw:?} {text}");
        }
    }
}
