//! What a model's repair is to be better than.

use elbo_kernels::{Output, gemm};
use ndarray::{Array2, ArrayView2, Axis, Zip};

use crate::{
    data::View,
    real::{mat, mat_mut},
};

/// Training images whose distances are held at a time.
const BLOCK: usize = 4096;

/// The images with each missing pixel replaced by its mean over `known` ones, (images, pixels).
pub fn means(known: View<'_>, images: View<'_>) -> Array2<f32> {
    let mean = known.mean();
    completed(images, |_, j| mean[j] as f32)
}

/// The images with each missing pixel replaced by its mean over the `k` of `known` that are nearest by the pixels that
/// were seen, (images, pixels); of equally near ones the first.
///
/// With m = 1 where a pixel was seen, and x with zeros where it was not, the squared distance to t is
/// Σⱼ mⱼ (xⱼ - tⱼ)² = Σⱼ xⱼ² - 2 x·t + m·t², with t² of each pixel: two matrix products.
///
/// # Panics
///
/// If `k` is 0, or some of the known images' pixels are missing too.
pub fn neighbours(known: View<'_>, images: View<'_>, k: usize) -> Array2<f32> {
    assert!(k > 0 && known.hidden.is_none(), "some neighbours of which everything is known");
    let (x, seen) = read(images);
    let mut nearest: Vec<Vec<(f32, usize)>> = vec![vec![]; x.nrows()];
    let known_indices: Vec<usize> = known.indices().collect();
    for indices in known_indices.chunks(BLOCK) {
        let mut t = Array2::zeros((indices.len(), x.ncols()));
        known.gather(indices, 0, &mut t);
        let squares = t.mapv(|t| t * t);
        let [mut products, mut of_seen] = [(); 2].map(|()| Array2::zeros((x.nrows(), t.nrows())));
        gemm(mat(&x), mat(&t).t(), Output::Overwrite, mat_mut(&mut products));
        gemm(mat(&seen), mat(&squares).t(), Output::Overwrite, mat_mut(&mut of_seen));
        for (n, nearest) in nearest.iter_mut().enumerate() {
            for (i, &index) in indices.iter().enumerate() {
                insert(nearest, k, (of_seen[[n, i]] - 2.0 * products[[n, i]], index));
            }
        }
    }
    let mut found = Array2::zeros(x.dim());
    for (nearest, mut found) in nearest.iter().zip(found.rows_mut()) {
        let indices: Vec<usize> = nearest.iter().map(|&(_, index)| index).collect();
        let mut t = Array2::zeros((indices.len(), x.ncols()));
        known.gather(&indices, 0, &mut t);
        found.assign(&(t.sum_axis(Axis(0)) / indices.len() as f32));
    }
    completed(images, |n, j| found[[n, j]])
}

/// Keeps the k smallest, in rising order; equal ones in the order in which they come.
fn insert(nearest: &mut Vec<(f32, usize)>, k: usize, new: (f32, usize)) {
    if nearest.len() == k && nearest.last().is_some_and(|last| new.0 >= last.0) {
        return;
    }
    nearest.insert(nearest.partition_point(|old| old.0 <= new.0), new);
    nearest.truncate(k);
}

/// Each pixel's median over the square of 3 x 3 around it, at the border over what of it is inside the image; of an
/// even number the mean of the two in the middle.
pub fn median(images: ArrayView2<'_, f32>, [height, width]: [usize; 2]) -> Array2<f32> {
    Array2::from_shape_fn(images.dim(), |(n, j)| {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        let (y, x) = (j / width, j % width);
        let rows = around(y, height).flat_map(|y| around(x, width).map(move |x| y * width + x));
        let mut values: Vec<f32> = rows.map(|j| images[[n, j]]).collect();
        values.sort_by(f32::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        }
    })
}

/// x and m of all images.
fn read(images: View<'_>) -> (Array2<f32>, Array2<f32>) {
    let indices: Vec<usize> = images.indices().collect();
    let mut x = Array2::zeros((indices.len(), images.images.pixels_per_image()));
    let mut seen = x.clone();
    images.gather(&indices, 0, &mut x);
    images.observe(&indices, &mut seen);
    (x, seen)
}

/// The images with `found` of (image, pixel) where pixels are missing.
fn completed(images: View<'_>, found: impl Fn(usize, usize) -> f32) -> Array2<f32> {
    let (mut x, seen) = read(images);
    Zip::indexed(&mut x).and(&seen).for_each(|(n, j), x, &seen| {
        *x = if seen == 0.0 { found(n, j) } else { *x };
    });
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Hidden, Images, Part, Pixels};
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    fn images(rows: &[[f32; 4]]) -> Images {
        Images::new(2, 2, Pixels::Floats(rows.concat())).unwrap()
    }

    #[test]
    fn missing_pixels_become_the_means_of_the_training_images() {
        let known = images(&[[1.0, 0.0, 0.2, 0.0], [0.0, 1.0, 0.4, 0.0]]);
        let seen = images(&[[0.9, 0.9, 0.9, 0.9]]);
        let view =
            View::new(&seen, Part::Test).hiding(Some(Hidden::Pixels(&[true, false, true, false])));
        let found = means(View::new(&known, Part::Train), view);
        assert!((found - array![[0.5, 0.9, 0.3, 0.9]]).iter().all(|d| d.abs() < 1e-6));
    }

    #[test]
    fn a_median_takes_out_a_single_speck_and_keeps_a_straight_edge() {
        let mut image = Array2::from_shape_fn((1, 25), |(_, j)| f32::from(u8::from(j % 5 < 3)));
        let edge = image.clone();
        image[[0, 14]] = 1.0;
        image[[0, 5]] = 0.0;
        assert_eq!(median(image.view(), [5, 5]), edge);
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_of_all_distances_by_seen_pixels(
            known in proptest::collection::vec(proptest::array::uniform4(0..3_u8), 1..30),
            x in proptest::array::uniform4(0..3_u8),
            hidden in proptest::array::uniform4(proptest::bool::ANY),
            k in 1..5_usize,
        ) {
            let grey = |pixels: &[u8; 4]| pixels.map(|v| f32::from(v) / 4.0);
            let rows: Vec<[f32; 4]> = known.iter().map(grey).collect();
            let (known, one) = (images(&rows), images(&[grey(&x)]));
            let view = View::new(&one, Part::Test).hiding(Some(Hidden::Pixels(&hidden)));
            let found = neighbours(View::new(&known, Part::Train), view, k);
            let distance = |row: &[f32; 4]| -> f32 {
                let terms = row.iter().zip(grey(&x)).zip(hidden);
                terms.filter(|(_, hidden)| !hidden).map(|((t, x), _)| (t - x).powi(2)).sum()
            };
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by(|&a, &b| distance(&rows[a]).total_cmp(&distance(&rows[b])));
            order.truncate(k);
            for j in 0..4 {
                let mean: f32 = order.iter().map(|&i| rows[i][j]).sum::<f32>() / order.len() as f32;
                let expected = if hidden[j] { mean } else { grey(&x)[j] };
                prop_assert!((found[[0, j]] - expected).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_mean_of_a_pixel_that_no_image_shows_is_black() {
        let known = images(&[[1.0; 4]]);
        let view = View::new(&known, Part::Train).hiding(Some(Hidden::Pixels(&[true; 4])));
        assert_eq!(view.mean(), Array1::<f64>::zeros(4));
    }
}
