//! What .NET takes and `serde_json` does not, made into what both take.

use std::ops::Range;

use memchr::memchr2;

use super::scan::Scanner;
use crate::base::HashMap;

/// Changes a value so that `serde_json` takes more of it, if something can be changed.
///
/// An integer `-0` is a float to `serde_json`, and of members with the same name .NET takes the last
/// (`invoke-numbers`, `invoke-other-types`).
#[cold]
pub(super) fn relent(encoded: &mut [u8]) -> bool {
    let repeated = repeated_members(encoded);
    for place in &repeated {
        encoded[place.clone()].fill(b' ');
    }
    plain_zeros(encoded) | !repeated.is_empty()
}

/// An object that is being read, or an array.
#[derive(Default)]
struct Open<'a> {
    is_object: bool,
    /// Where the last member of each name lies, with the comma behind it.
    members: HashMap<&'a [u8], Range<usize>>,
    /// The member that is being read, and where it begins.
    member: Option<(&'a [u8], usize)>,
}

/// Where members lie that have another one of the same name behind them. The value is valid.
fn repeated_members(encoded: &[u8]) -> Vec<Range<usize>> {
    let (mut open, mut repeated) = (Vec::<Open<'_>>::new(), Vec::new());
    let mut at = 0;
    while let Some(byte) = encoded.get(at) {
        match byte {
            b'{' | b'[' => open.push(Open { is_object: *byte == b'{', ..Open::default() }),
            b'"' => {
                let mut scanner = Scanner::new(&encoded[at..]);
                if scanner.text().is_err() {
                    return repeated;
                }
                let end = at + scanner.position();
                if let Some(object) = open.last_mut().filter(|open| open.is_object)
                    && object.member.is_none()
                {
                    object.member = Some((&encoded[at..end], at));
                }
                at = end;
                continue;
            }
            b',' | b'}' => {
                if let Some(object) = open.last_mut()
                    && let Some((name, begin)) = object.member.take()
                {
                    repeated.extend(object.members.insert(name, begin..at + 1));
                }
                if *byte == b'}' {
                    open.pop();
                }
            }
            b']' => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    repeated
}

/// Makes every integer `-0` a plain zero, and says whether there was one.
fn plain_zeros(encoded: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(skipped) = memchr2(b'"', b'-', &encoded[at..]) {
        at += skipped;
        if encoded[at] == b'"' {
            // Texts are passed whole: there may be anything in them.
            let mut scanner = Scanner::new(&encoded[at..]);
            if scanner.text().is_err() {
                return found;
            }
            at += scanner.position();
            continue;
        }
        let is_exponent = at > 0 && matches!(encoded[at - 1], b'e' | b'E');
        let goes_on = matches!(encoded.get(at + 2), Some(b'.' | b'e' | b'E'));
        if encoded.get(at + 1) == Some(&b'0') && !is_exponent && !goes_on {
            encoded[at] = b' ';
            found = true;
        }
        at += 1;
    }
    found
}
