//! What the query of an API's path asks for.

use std::borrow::Cow;

/// The most operations of a history.
const MOST: usize = 1000;
/// How many it has by default, as on the command line.
const USUAL: usize = 20;
/// A query with more parts is none of ours.
const PARTS: usize = 256;

/// What is asked of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// The lanes it is about, by name; all where none is named.
    pub(super) lanes: Vec<String>,
    /// How many operations at most.
    pub(super) limit: usize,
}

/// Reads a query.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(query: Option<&str>) -> Result<Query, String> {
    let mut asked = Query { lanes: Vec::new(), limit: USUAL };
    for (number, part) in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()).enumerate() {
        if number == PARTS {
            return Err(format!("the query has more than {PARTS} parts"));
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decode(value).ok_or_else(|| format!("the value of {name:?} is not percent-encoded UTF-8"))?;
        match name {
            // As `--lane` does, it takes several at once.
            "lane" => asked.lanes.extend(value.split(',').map(|lane| lane.trim().to_owned())),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                asked.limit = limit.ok_or_else(|| format!("limit has to be a number from 1 to {MOST}"))?;
            }
            _ => return Err(format!("there is no parameter {name:?}; known ones: lane, limit")),
        }
    }
    Ok(asked)
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = behind.first_chunk::<2>().filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = &behind[2..];
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let check = |text: &str, lanes: &[&str], limit| {
            let expect = Query { lanes: lanes.iter().map(|lane| (*lane).to_owned()).collect(), limit };
            assert_eq!(parse(Some(text)), Ok(expect), "{text}");
        };
        check("", &[], USUAL);
        check("lane=main", &["main"], USUAL);
        check("lane=a&lane=b,c&limit=5", &["a", "b", "c"], 5);
        check("lane=v0%2E3&", &["v0.3"], USUAL);
        check("limit=1000", &[], 1000);
        assert_eq!(parse(None), Ok(Query { lanes: Vec::new(), limit: USUAL }));
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit=-1", "lane=%zz", "lane=%f", "lane=%ff", "lain=x", "x"]
        {
            assert!(parse(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(parse(Some(&"lane=a&".repeat(1000))).is_err());
    }
}
