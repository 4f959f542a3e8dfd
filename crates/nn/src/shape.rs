//! Which layers a net has, and how large they are.

use randlab_recipe::ModelSpec;

use crate::NnError;

/// A layer with weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, the part of tensor names before the dot.
    pub name: String,
    /// Shape of its weight: `[out, in]` or `[out, in, k, k]`. Its bias is `[out]`.
    pub shape: Vec<usize>,
}

impl Layer {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// Inputs of one unit or filter.
    pub fn fan_in(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

/// Strides, paddings and pools of the convolutions of `cnn3`.
pub(crate) const CNN3: [randlab_kernels::ConvSpec; 3] = [
    randlab_kernels::ConvSpec { stride: 2, padding: 1, pool: 1 },
    randlab_kernels::ConvSpec { stride: 1, padding: 1, pool: 2 },
    randlab_kernels::ConvSpec { stride: 1, padding: 1, pool: 1 },
];

/// The layers of `spec` for inputs `[channels, height, width]`, from input to head.
///
/// # Errors
/// [`NnError::Model`] when a size is 0 or a window is larger than what it slides over.
pub fn layers(spec: &ModelSpec, input: [usize; 3], classes: usize) -> Result<Vec<Layer>, NnError> {
    let mut layers = Vec::new();
    let mut width = match *spec {
        ModelSpec::Mlp { ref hidden } => {
            let mut width: usize = input.iter().product();
            for (i, &units) in hidden.iter().enumerate() {
                layers.push(Layer::new(format!("fc{}", i + 1), &[units, width]));
                width = units;
            }
            width
        }
        ModelSpec::Cnn2 { kernel, filters, stride, padding, pool, hidden } => {
            let map = after(input, (kernel, stride, padding, pool), filters)?;
            layers.push(Layer::new("conv1", &[filters, input[0], kernel, kernel]));
            layers.push(Layer::new("fc1", &[hidden, map.iter().product()]));
            hidden
        }
        ModelSpec::Cnn3 { filters, hidden } => {
            let mut map = input;
            for (i, c) in CNN3.iter().enumerate() {
                layers.push(Layer::new(format!("conv{}", i + 1), &[filters, map[0], 3, 3]));
                map = after(map, (3, c.stride, c.padding, c.pool), filters)?;
            }
            layers.push(Layer::new("fc1", &[hidden, map.iter().product()]));
            hidden
        }
    };
    width = width.max(1);
    layers.push(Layer::new("head", &[classes, width]));
    if let Some(empty) = layers.iter().find(|l| l.shape.contains(&0)) {
        return Err(NnError::Model(format!(
            "layer {} has a size of 0: {:?}",
            empty.name, empty.shape
        )));
    }
    Ok(layers)
}

/// Size of the map after a convolution and its pool.
fn after(
    [_, h, w]: [usize; 3],
    (kernel, stride, padding, pool): (usize, usize, usize, usize),
    filters: usize,
) -> Result<[usize; 3], NnError> {
    let size = |side: usize| {
        let padded = side + 2 * padding;
        let fits = kernel > 0 && stride > 0 && pool > 0 && kernel <= padded;
        fits.then(|| ((padded - kernel) / stride + 1) / pool).filter(|&s| s > 0)
    };
    match (size(h), size(w)) {
        (Some(h), Some(w)) => Ok([filters, h, w]),
        _ => Err(NnError::Model(format!(
            "kernel {kernel}, stride {stride}, padding {padding} and pool {pool} leave nothing of {h}x{w} inputs"
        ))),
    }
}
