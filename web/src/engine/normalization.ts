import { sizeOf, tensor, type Tensor } from './tensor';

/**
 * What normalisation remembers. Feature `i % features` shares one mean and one inverse deviation when `perFeature`
 * (batch normalisation); otherwise each run of `features` numbers does (layer normalisation).
 */
export interface NormalizationCache {
  xhat: Float64Array;
  mean: Float64Array;
  variance: Float64Array;
  inverse: Float64Array;
  batch: boolean;
}

/** `x̂ = (x − μ) / √(σ² + ε)`, `y = γ·x̂ + β`, with the moving statistics, or (training) those of these values. */
export function batchNormalizationForward(
  x: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  moving: { mean: Tensor; variance: Tensor },
  epsilon: number,
  training: boolean,
): { y: Tensor; cache: NormalizationCache } {
  const features = x.shape[x.shape.length - 1];
  const mean = Float64Array.from(moving.mean.data);
  const variance = Float64Array.from(moving.variance.data);
  const count = x.data.length / features;
  if (training) {
    mean.fill(0);
    variance.fill(0);
    x.data.forEach((value, i) => (mean[i % features] += value / count));
    x.data.forEach((value, i) => (variance[i % features] += (value - mean[i % features]) ** 2 / count));
  }
  const inverse = variance.map((value) => 1 / Math.sqrt(value + epsilon));
  const xhat = x.data.map((value, i) => (value - mean[i % features]) * inverse[i % features]);
  const y = tensor(x.shape);
  for (let i = 0; i < xhat.length; i++)
    y.data[i] = xhat[i] * (gamma ? gamma.data[i % features] : 1) + (beta ? beta.data[i % features] : 0);
  return { y, cache: { xhat, mean, variance, inverse, batch: training } };
}

/** `dγ = Σ dy·x̂`, `dβ = Σ dy`; in training `dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy·x̂))`, in inference `dx = γ/σ · dy`. */
export function batchNormalizationBackward(dy: Tensor, gamma: Tensor | null, cache: NormalizationCache) {
  const features = dy.shape[dy.shape.length - 1];
  const count = dy.data.length / features;
  const dgamma = tensor([features]);
  const dbeta = tensor([features]);
  dy.data.forEach((value, i) => {
    dgamma.data[i % features] += value * cache.xhat[i];
    dbeta.data[i % features] += value;
  });
  const dx = tensor(dy.shape);
  for (let i = 0; i < dx.data.length; i++) {
    const f = i % features;
    const centred = cache.batch
      ? dy.data[i] - dbeta.data[f] / count - (cache.xhat[i] * dgamma.data[f]) / count
      : dy.data[i];
    dx.data[i] = (gamma ? gamma.data[f] : 1) * cache.inverse[f] * centred;
  }
  return { dx, dgamma, dbeta };
}

/** As batch normalisation, but over the last axis of each position. */
export function layerNormalizationForward(x: Tensor, gamma: Tensor | null, beta: Tensor | null, epsilon: number) {
  const features = x.shape[x.shape.length - 1];
  const rows = sizeOf(x.shape) / features;
  const [mean, variance, inverse] = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
  const xhat = new Float64Array(x.data.length);
  const y = tensor(x.shape);
  for (let row = 0; row < rows; row++) {
    const start = row * features;
    for (let f = 0; f < features; f++) mean[row] += x.data[start + f] / features;
    for (let f = 0; f < features; f++) variance[row] += (x.data[start + f] - mean[row]) ** 2 / features;
    inverse[row] = 1 / Math.sqrt(variance[row] + epsilon);
    for (let f = 0; f < features; f++) {
      xhat[start + f] = (x.data[start + f] - mean[row]) * inverse[row];
      y.data[start + f] = xhat[start + f] * (gamma ? gamma.data[f] : 1) + (beta ? beta.data[f] : 0);
    }
  }
  return { y, cache: { xhat, mean, variance, inverse, batch: true } satisfies NormalizationCache };
}

export function layerNormalizationBackward(dy: Tensor, gamma: Tensor | null, cache: NormalizationCache) {
  const features = dy.shape[dy.shape.length - 1];
  const [dx, dgamma, dbeta] = [tensor(dy.shape), tensor([features]), tensor([features])];
  for (let start = 0, row = 0; start < dy.data.length; start += features, row++) {
    let [meanOfD, meanOfDX] = [0, 0];
    for (let f = 0; f < features; f++) {
      const d = dy.data[start + f] * (gamma ? gamma.data[f] : 1);
      meanOfD += d / features;
      meanOfDX += (d * cache.xhat[start + f]) / features;
      dgamma.data[f] += dy.data[start + f] * cache.xhat[start + f];
      dbeta.data[f] += dy.data[start + f];
    }
    for (let f = 0; f < features; f++) {
      const d = dy.data[start + f] * (gamma ? gamma.data[f] : 1);
      dx.data[start + f] = cache.inverse[row] * (d - meanOfD - cache.xhat[start + f] * meanOfDX);
    }
  }
  return { dx, dgamma, dbeta };
}
