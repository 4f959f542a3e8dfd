//! The nets, written down as plans.

use randlab_kernels::{ConvSpec, PoolSpec};
use randlab_recipe::{ConvLayer, ModelSpec, Stem};

use crate::{
    NnError,
    plan::{Conv, Plan, Value},
};

/// Writes `spec` into an empty plan.
pub(crate) fn write(plan: &mut Plan, spec: &ModelSpec, classes: usize) -> Result<(), NnError> {
    match *spec {
        ModelSpec::Mlp { ref hidden } => hidden_and_head(plan, 0, hidden, classes),
        ModelSpec::Cnn2 { kernel, filters, stride, padding, pool, hidden } => {
            let spec = ConvSpec { stride, padding, pool };
            let map = plan.conv_relu_pool("conv1", 0, (filters, kernel), spec)?;
            hidden_and_head(plan, map, &[hidden], classes);
        }
        ModelSpec::Cnn { ref convs, ref hidden } => {
            let mut map = 0;
            for (i, &ConvLayer { filters, stride, pool }) in convs.iter().enumerate() {
                let spec = ConvSpec { stride, padding: 1, pool };
                map = plan.conv_relu_pool(&format!("conv{}", i + 1), map, (filters, 3), spec)?;
            }
            hidden_and_head(plan, map, hidden, classes);
        }
        ModelSpec::Vgg { depth, width, batch_norm } => {
            provided("vgg", "depth", depth, &[16])?;
            vgg(plan, positive(width)?, batch_norm, classes)?;
        }
        ModelSpec::ResNet { depth, stem, width } => {
            provided("resnet", "depth", depth, &[18])?;
            resnet(plan, stem, positive(width)?, classes)?;
        }
        ModelSpec::Wrn { depth, width, kernel } => {
            provided("wrn", "kernel", kernel, &[3, 5])?;
            if depth < 10 || depth % 6 != 4 {
                return Err(NnError::Model(format!("wrn: depth {depth}, expected 6 n + 4")));
            }
            wrn(plan, (depth - 4) / 6, width, kernel, classes)?;
        }
    }
    Ok(())
}

fn hidden_and_head(plan: &mut Plan, mut from: Value, hidden: &[usize], classes: usize) {
    for (i, &units) in hidden.iter().enumerate() {
        from = plan.linear(&format!("fc{}", i + 1), from, units, true);
    }
    plan.linear("head", from, classes, false);
}

/// Widths of the convolutions of VGG16, in groups that each end with a pool (Simonyan and Zisserman 2015, Table 1, D).
const VGG16: [&[usize]; 5] =
    [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

/// The numbers in names count torchvision's modules: convolution, batch norm if there is one, ReLU, and pool.
fn vgg(plan: &mut Plan, factor: f64, batch_norm: bool, classes: usize) -> Result<(), NnError> {
    let (mut from, mut module) = (0, 0);
    for group in VGG16 {
        for (i, &width) in group.iter().enumerate() {
            let (filters, last) = (scaled(width, factor), i + 1 == group.len());
            let name = format!("features.{module}");
            if batch_norm {
                let conv = Conv { filters, kernel: 3, stride: 1, bias: true };
                let map = plan.conv(&name, from, conv)?;
                from = plan.norm_relu(&format!("features.{}", module + 1), map, None);
                if last {
                    from = plan.max_pool(from, PoolSpec { side: 2, stride: 2, padding: 0 })?;
                }
            } else {
                let spec = ConvSpec { stride: 1, padding: 1, pool: if last { 2 } else { 1 } };
                from = plan.conv_relu_pool(&name, from, (filters, 3), spec)?;
            }
            module += 2 + usize::from(batch_norm) + usize::from(last);
        }
    }
    plan.linear("head", from, classes, false);
    Ok(())
}

/// He et al. 2016, Table 1, with projections where the size changes (option B).
fn resnet(plan: &mut Plan, stem: Stem, factor: f64, classes: usize) -> Result<(), NnError> {
    let (kernel, stride) = match stem {
        Stem::Cifar => (3, 1),
        Stem::Imagenet => (7, 2),
    };
    let filters = scaled(64, factor);
    let map = plan.conv("conv1", 0, Conv { filters, kernel, stride, bias: false })?;
    let mut from = plan.norm_relu("bn1", map, None);
    if stem == Stem::Imagenet {
        from = plan.max_pool(from, PoolSpec { side: 3, stride: 2, padding: 1 })?;
    }
    for (group, width) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let stride = if group > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", group + 1);
            from = basic_block(plan, &name, from, scaled(width, factor), stride)?;
        }
    }
    let pooled = plan.average_pool(from);
    plan.linear("fc", pooled, classes, false);
    Ok(())
}

/// Two 3x3 convolutions whose result is added to the input.
fn basic_block(
    plan: &mut Plan,
    name: &str,
    from: Value,
    filters: usize,
    stride: usize,
) -> Result<Value, NnError> {
    let conv = Conv { filters, kernel: 3, stride, bias: false };
    let map = plan.conv(&format!("{name}.conv1"), from, conv)?;
    let inner = plan.norm_relu(&format!("{name}.bn1"), map, None);
    let mut shortcut = from;
    // As in torchvision; two widths may be rounded to the same number.
    if stride > 1 || plan.channels(from) != filters {
        let conv = Conv { kernel: 1, ..conv };
        let map = plan.conv(&format!("{name}.downsample.0"), from, conv)?;
        shortcut = plan.norm(&format!("{name}.downsample.1"), map, None, false);
    }
    let map = plan.conv(&format!("{name}.conv2"), inner, Conv { stride: 1, ..conv })?;
    Ok(plan.norm_relu(&format!("{name}.bn2"), map, Some(shortcut)))
}

/// Zagoruyko and Komodakis 2016, Table 1, with blocks B(3, 3) and no dropout.
fn wrn(
    plan: &mut Plan,
    blocks: usize,
    factor: usize,
    kernel: usize,
    classes: usize,
) -> Result<(), NnError> {
    let conv = Conv { filters: 16, kernel, stride: 1, bias: false };
    let mut from = plan.conv("conv1", 0, conv)?;
    for (group, width) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if group > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", group + 1);
            from = wide_block(plan, &name, from, width * factor, stride)?;
        }
    }
    let normed = plan.norm_relu("bn", from, None);
    let pooled = plan.average_pool(normed);
    plan.linear("head", pooled, classes, false);
    Ok(())
}

/// As [`basic_block`], with norm and ReLU before each convolution. Where the size changes the shortcut, too, starts from what
/// the first of them gives.
fn wide_block(
    plan: &mut Plan,
    name: &str,
    from: Value,
    filters: usize,
    stride: usize,
) -> Result<Value, NnError> {
    let conv = Conv { filters, kernel: 3, stride, bias: false };
    let normed = plan.norm_relu(&format!("{name}.bn1"), from, None);
    let mut shortcut = from;
    if plan.channels(from) != filters {
        let conv = Conv { kernel: 1, ..conv };
        shortcut = plan.conv(&format!("{name}.shortcut"), normed, conv)?;
    }
    let map = plan.conv(&format!("{name}.conv1"), normed, conv)?;
    let inner = plan.norm_relu(&format!("{name}.bn2"), map, None);
    let map = plan.conv(&format!("{name}.conv2"), inner, Conv { stride: 1, ..conv })?;
    Ok(plan.sum(map, shortcut))
}

/// A width times a factor.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive whole number; one too large saturates, and memory is the limit anyway"
)]
fn scaled(width: usize, factor: f64) -> usize {
    (width as f64 * factor).round().max(1.0) as usize
}

fn positive(factor: f64) -> Result<f64, NnError> {
    if factor.is_finite() && factor > 0.0 {
        return Ok(factor);
    }
    Err(NnError::Model(format!("width {factor} is not a positive factor")))
}

/// Refuses a size that the net does not come in.
fn provided(net: &str, what: &str, value: usize, known: &[usize]) -> Result<(), NnError> {
    if known.contains(&value) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(usize::to_string).collect();
    Err(NnError::Model(format!("{net}: {what} {value}, expected {}", known.join(" or "))))
}
