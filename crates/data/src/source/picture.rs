//! Decoding and reducing pictures.

use std::{io::Cursor, path::Path};

use image::{ColorType, ImageDecoder, ImageReader, Limits, RgbImage, imageops::FilterType};

use crate::{DataError, files};

/// Longest side accepted, in pixels; a file that claims more is refused before memory is taken.
pub(crate) const MOST: u32 = 20_000;
/// Largest file accepted, in bytes.
pub(crate) const BYTES: u64 = 1 << 30;
/// Memory a decoder may take.
const MEMORY: u64 = 1 << 30;

/// A decoded picture.
pub(crate) struct Picture {
    pub rgb: RgbImage,
    /// Whether the file was grey.
    pub grey: bool,
    /// Whether it was a JPEG.
    pub jpeg: bool,
}

/// Decodes a JPEG or PNG; grey and CMYK become RGB.
pub(crate) fn open(path: &Path) -> Result<Picture, DataError> {
    let bytes = files::read(path, BYTES)?;
    decode(&bytes)
        .map_err(|problem| DataError::content(path, format!("{problem}; replace or remove it")))
}

/// As [`open`], from bytes in memory.
pub(crate) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let refused = |e: image::ImageError| format!("not a readable picture: {e}");
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST);
    limits.max_image_height = Some(MOST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let jpeg = reader.format() == Some(image::ImageFormat::Jpeg);
    if jpeg && !is_whole_jpeg(bytes) {
        return Err("a JPEG that is cut short".into());
    }
    let decoder = reader.into_decoder().map_err(refused)?;
    let grey = matches!(
        decoder.color_type(),
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    );
    let rgb = image::DynamicImage::from_decoder(decoder).map_err(refused)?.into_rgb8();
    Ok(Picture { rgb, grey, jpeg })
}

/// Whether a JPEG has its end. Decoders fill what is missing with grey, so its segments are followed here: each says how long it
/// is, and what follows a scan goes on to the next marker.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    let mut at = 2;
    loop {
        // A marker may be padded with any number of FF in front.
        while bytes.get(at) == Some(&0xFF) && bytes.get(at + 1) == Some(&0xFF) {
            at += 1;
        }
        let Some(&[0xFF, marker]) = bytes.get(at..at + 2) else { return false };
        if marker == END {
            return true;
        }
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == SCAN {
            // In a scan FF 00 stands for a byte FF, and D0 to D7 are restarts.
            let rest = bytes.get(at..).unwrap_or_default();
            let next =
                |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7 | 0xFF);
            let Some(length) = rest.windows(2).position(next) else { return false };
            at += length;
        }
    }
}

/// Side of every crop after reduction, in pixels.
pub(crate) const CROP: usize = 32;

/// A square of `side` pixels at (`x`, `y`) reduced to 32x32 by area averaging, `[3, 32, 32]`. Whole numbers throughout, so that
/// the bytes are the same on every machine.
pub(crate) fn reduce(picture: &RgbImage, x: u32, y: u32, side: u32) -> Vec<u8> {
    let spans = spans(side as usize);
    let width = picture.width() as usize;
    let raw = picture.as_raw();
    let area = u64::from(side).pow(2);
    let mut out = vec![0; 3 * CROP * CROP];
    // Weighted sums of the rows that an output row covers.
    let mut sums = vec![0u32; 3 * side as usize];
    for (row, vertical) in spans.iter().enumerate() {
        sums.fill(0);
        for &(dy, weight) in vertical {
            let from = 3 * ((y as usize + dy) * width + x as usize);
            for (sum, &value) in sums.iter_mut().zip(&raw[from..]) {
                *sum += weight * u32::from(value);
            }
        }
        for (col, horizontal) in spans.iter().enumerate() {
            for channel in 0..3 {
                let terms = horizontal
                    .iter()
                    .map(|&(dx, weight)| u64::from(weight) * u64::from(sums[3 * dx + channel]));
                let mean = (terms.sum::<u64>() + area / 2) / area;
                out[(channel * CROP + row) * CROP + col] = u8::try_from(mean).unwrap_or(u8::MAX);
            }
        }
    }
    out
}

/// For each of the 32 output pixels, which source pixels it covers and how much of each, in units of 1/32 pixel.
#[expect(clippy::cast_possible_truncation, reason = "an overlap is at most 32")]
fn spans(side: usize) -> Vec<Vec<(usize, u32)>> {
    let span = |i: usize| {
        let (from, to) = (i * side, (i + 1) * side);
        let pixels = from / CROP..to.div_ceil(CROP);
        pixels
            .map(|p| {
                let overlap = to.min((p + 1) * CROP) - from.max(p * CROP);
                (p, overlap as u32)
            })
            .collect()
    };
    (0..CROP).map(span).collect()
}

/// Short side brought to `size`, then the centre, `[3, size, size]`. A strip that would take much memory when enlarged is cut to
/// its central square first.
pub(crate) fn centre(picture: &RgbImage, size: u32) -> Vec<u8> {
    /// Pixels of the resized picture.
    const RESIZED: u64 = 1 << 24;
    let (w, h) = picture.dimensions();
    let short = w.min(h);
    let pixels = u64::from(size).pow(2) * u64::from(w.max(h)) / u64::from(short);
    if short < size && w != h && pixels > RESIZED {
        let (x, y) = ((w - short) / 2, (h - short) / 2);
        let square = image::imageops::crop_imm(picture, x, y, short, short).to_image();
        return centre(&square, size);
    }
    let scaled = |side: u32| {
        let exact = u64::from(side) * u64::from(size) / u64::from(short);
        u32::try_from(exact).unwrap_or(size).max(size)
    };
    let (tw, th) = (scaled(w), scaled(h));
    let resized = if (tw, th) == (w, h) {
        picture.clone()
    } else {
        image::imageops::resize(picture, tw, th, FilterType::Triangle)
    };
    let (x, y) = ((tw - size) / 2, (th - size) / 2);
    let at = |c: usize, row: u32, col: u32| resized.get_pixel(x + col, y + row).0[c];
    (0..3)
        .flat_map(|c| (0..size).flat_map(move |row| (0..size).map(move |col| (c, row, col))))
        .map(|(c, row, col)| at(c, row, col))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red counts columns, green counts rows.
    fn ramp(w: u32, h: u32) -> RgbImage {
        RgbImage::from_fn(w, h, |x, y| {
            image::Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 7])
        })
    }

    #[test]
    fn channels_rows_and_columns_keep_their_places() {
        let crop = reduce(&ramp(200, 100), 100, 10, 64);
        // Each output pixel is the mean of two columns or rows, halves rounded up.
        assert_eq!(crop[0], 101);
        assert_eq!(crop[5], 100 + 11);
        assert_eq!(crop[1024 + 32 * 5], 10 + 11);
        assert_eq!(crop[2048], 7);
        let centre = centre(&ramp(200, 32), 32);
        assert_eq!(centre[0], 84);
        assert_eq!(centre[1024 + 31 * 32], 31);
    }

    #[test]
    fn area_averages_are_those_of_exact_arithmetic() {
        let crop = reduce(&ramp(101, 101), 0, 0, 101);
        for (i, &value) in crop[..32].iter().enumerate() {
            // Mean of floor(t) over t in [101 i / 32, 101 (i + 1) / 32).
            let (from, to) = (i as f64 * 101.0 / 32.0, (i + 1) as f64 * 101.0 / 32.0);
            let part = |p: f64| (to.min(p + 1.0) - from.max(p)).max(0.0) * p;
            let mean = (0..101).map(|p| part(f64::from(p))).sum::<f64>() / (to - from);
            assert!((f64::from(value) - mean).abs() <= 0.5, "{i}: {value} {mean}");
        }
    }

    #[test]
    fn damaged_pictures_are_named_and_grey_ones_converted() {
        assert!(decode(b"not a picture").err().unwrap().contains("not a readable picture"));
        let mut png = Vec::new();
        let grey = image::GrayImage::from_pixel(4, 4, image::Luma([9]));
        grey.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        let picture = decode(&png).unwrap();
        assert!(picture.grey && !picture.jpeg);
        assert_eq!(picture.rgb.get_pixel(1, 1).0, [9, 9, 9]);
        assert!(decode(&png[..png.len() - 20]).is_err());
    }

    #[test]
    fn strips_take_little_memory_and_keep_their_centre() {
        // Enlarged whole, this strip would have 4,480,000 rows of 224 pixels.
        let strip = RgbImage::from_fn(1, 20_000, |_, y| image::Rgb([u8::from(y == 10_000), 0, 9]));
        let centre = centre(&strip, 224);
        assert_eq!(centre.len(), 3 * 224 * 224);
        assert!(centre[..224 * 224].iter().all(|&red| red <= 1));
        assert!(centre[2 * 224 * 224..].iter().all(|&blue| blue == 9));
    }

    #[test]
    fn a_jpeg_without_its_end_is_refused_wherever_it_is_cut() {
        let mut jpeg = Vec::new();
        ramp(90, 70).write_to(&mut Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
        assert!(decode(&jpeg).is_ok());
        for cut in 0..jpeg.len() {
            assert!(decode(&jpeg[..cut]).is_err(), "{cut}");
        }
        // Cameras put things behind the end.
        jpeg.extend(b"trailer");
        assert!(decode(&jpeg).is_ok());
    }
}
