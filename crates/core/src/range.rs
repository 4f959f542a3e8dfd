//! Checks of numbers in configurations. Messages name the number and say what is allowed.

/// A larger size is a slip, and more than any machine holds.
const MOST: usize = 1 << 20;

/// A size: 1 to 1048576.
pub fn size(name: &str, value: usize) -> Result<(), String> {
    if (1..=MOST).contains(&value) {
        return Ok(());
    }
    Err(format!("{name} = {value} is out of range (1 to {MOST})"))
}

/// A finite number above 0.
pub fn positive(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(format!("{name} = {value} is out of range (above 0)"))
}

/// A size of which only some values are provided for.
pub fn one_of(name: &str, value: usize, known: &[usize]) -> Result<(), String> {
    if known.contains(&value) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(usize::to_string).collect();
    Err(format!("{name} = {value} is not supported; use {}", known.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_part_of_the_range() {
        assert!(size("n", 1).is_ok() && size("n", MOST).is_ok());
        assert_eq!(size("n", 0).unwrap_err(), "n = 0 is out of range (1 to 1048576)");
        assert!(size("n", MOST + 1).is_err());
    }

    #[test]
    fn numbers_above_0_are_finite() {
        assert!(positive("lr", 1e-300).is_ok());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(positive("lr", wrong).is_err());
        }
    }

    #[test]
    fn supported_values_are_listed() {
        assert!(one_of("kernel", 5, &[3, 5]).is_ok());
        let expected = "kernel = 4 is not supported; use 3 or 5";
        assert_eq!(one_of("kernel", 4, &[3, 5]).unwrap_err(), expected);
    }
}
