//! Bicubic interpolation, what a model of missing detail is measured against.

use ndarray::{Array2, ArrayView2};

/// Enlarges images (n, height·width) so many times along each side, by cubic convolution (Keys 1981,
/// *Cubic Convolution Interpolation for Digital Image Processing*, equation 15, a = -1/2).
///
/// Pixel i of a line of the result lies at (i + ½)/factor - ½ of the small one, and is the mean of the four
/// pixels around that place with weights by their distance. Beyond an edge there are no
/// pixels: the weights of those that there are then count for all.
pub fn enlarge(
    images: ArrayView2<'_, f32>,
    [height, width]: [usize; 2],
    factor: usize,
) -> Array2<f32> {
    let (rows, columns) = (weights(height, factor), weights(width, factor));
    let mut large = Array2::zeros((images.nrows(), height * factor * width * factor));
    for (small, mut large) in images.rows().into_iter().zip(large.rows_mut()) {
        for (pixel, value) in large.iter_mut().enumerate() {
            let (y, x) = (pixel / (width * factor), pixel % (width * factor));
            let of_row = |&(row, weight): &(usize, f64)| {
                let at = |&(column, weight): &(usize, f64)| {
                    weight * f64::from(small[row * width + column])
                };
                weight * columns[x].iter().map(at).sum::<f64>()
            };
            *value = rows[y].iter().map(of_row).sum::<f64>() as f32;
        }
    }
    large
}

/// For each pixel of a line enlarged from `length`, the pixels that it is a mean of, and their weights.
fn weights(length: usize, factor: usize) -> Vec<Vec<(usize, f64)>> {
    let of_pixel = |i: usize| {
        let place = (i as f64 + 0.5) / factor as f64 - 0.5;
        let first = place.floor() as isize - 1;
        let near = (first..first + 4).filter(|&j| j >= 0 && j < length as isize);
        let near: Vec<_> = near.map(|j| (j as usize, cubic(place - j as f64))).collect();
        let sum: f64 = near.iter().map(|(_, weight)| weight).sum();
        near.into_iter().map(|(j, weight)| (j, weight / sum)).collect()
    };
    (0..length * factor).map(of_pixel).collect()
}

/// The kernel: 1 at 0, 0 at the other integers, 0 from 2 on.
fn cubic(distance: f64) -> f64 {
    let d = distance.abs();
    match d {
        ..1.0 => (1.5 * d - 2.5) * d * d + 1.0,
        ..2.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;

    #[test]
    fn a_plane_stays_a_plane_away_from_the_edges() {
        let plane = |y: f64, x: f64| (0.1 + 0.05 * y - 0.03 * x) as f32;
        let small = Array1::from_shape_fn(8 * 7, |j| plane((j / 7) as f64, (j % 7) as f64));
        let small = small.into_shape_with_order((1, 56)).unwrap();
        let large = enlarge(small.view(), [8, 7], 3);
        for y in 6..18 {
            for x in 6..15 {
                let place = |i: usize| (i as f64 + 0.5) / 3.0 - 0.5;
                let error = large[[0, y * 21 + x]] - plane(place(y), place(x));
                assert!(error.abs() < 1e-6, "{y} {x}: {error}");
            }
        }
    }

    #[test]
    fn a_flat_image_stays_flat_to_its_edges() {
        let small = Array2::from_elem((2, 6), 0.3);
        assert!(enlarge(small.view(), [2, 3], 4).iter().all(|v| (v - 0.3).abs() < 1e-6));
    }
}
