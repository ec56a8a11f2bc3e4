//! The dictionary in the header of a `.npy` file.

/// The most dimensions that NumPy's arrays have. To bring an array of `n` elements into C order takes up to
/// `n` times as many steps as it has dimensions, and a header has room for tens of thousands.
const MOST_DIMENSIONS: usize = 64;

/// What the dictionary says.
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Parses the text of a header; an error gives the byte in the text and the problem.
pub(super) fn parse(text: &str) -> Parsed<Header> {
    Parser { text, rest: text }.header()
}

type Parsed<T> = Result<T, (usize, String)>;

/// A parser of just the dictionary that a `.npy` header is.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn header(mut self) -> Parsed<Header> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key {
                "descr" => descr = Some(self.string()?.to_owned()),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return self.fail("one of the keys descr, fortran_order, shape before it"),
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
            return self.fail("all of descr, fortran_order and shape before it");
        };
        if !self.rest.trim().is_empty() {
            return self.fail("nothing after the dictionary");
        }
        Ok(Header { descr, fortran_order, shape })
    }

    /// Takes `token` if it comes next after white space.
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.take(token) { Ok(()) } else { self.fail(token) }
    }

    fn string(&mut self) -> Parsed<&'a str> {
        let quote = if self.take("'") {
            '\''
        } else if self.take("\"") {
            '"'
        } else {
            return self.fail("a quoted string");
        };
        let Some((string, rest)) = self.rest.split_once(quote) else {
            return self.fail("a closing quote after it");
        };
        self.rest = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Parsed<bool> {
        if self.take("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> Parsed<Vec<usize>> {
        let mut numbers = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            if numbers.len() == MOST_DIMENSIONS {
                return self.fail(&format!("at most {MOST_DIMENSIONS} dimensions"));
            }
            numbers.push(self.number()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Parsed<usize> {
        self.rest = self.rest.trim_start();
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = self.rest[..digits].parse() else {
            return self.fail("a whole number of this machine's size");
        };
        self.rest = &self.rest[digits..];
        // Python 2 wrote long integers with a suffix.
        self.rest = self.rest.strip_prefix('L').unwrap_or(self.rest);
        Ok(number)
    }

    fn fail<T>(&self, expected: &str) -> Parsed<T> {
        let found: String = self.rest.trim_start().chars().take(24).collect();
        let position = self.text.len() - self.rest.len();
        Err((position, format!("expected {expected}, found {found:?}")))
    }
}
