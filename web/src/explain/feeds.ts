/** Which maps feed a map, and how strongly: for the edges of the overview. */
import { lookAt, type Context } from './types';

export interface Feed {
  /** The input's position among the node's inputs. */
  input: number;
  channel: number;
  /** The mean weight on the edge, or null where there are no weights. */
  weight: number | null;
}

const range = (n: number, start = 0): number[] => Array.from({ length: n }, (_, i) => start + i);

export function feeds(context: Context, node: number, channel: number): Feed[] {
  const at = lookAt(context, node);
  const shapes = at.inputs.map((from) => context.record.nodes[from].shape);
  const channels = (k: number): number => shapes[k].at(-1) ?? 1;
  const kernel = at.parameters.get('kernel');
  const mean = (c: number, f: number): number | null => {
    if (!kernel) return null;
    const [rows, columns] = kernel.shape.slice(-2);
    let sum = 0;
    let count = 0;
    for (let tap = 0; tap < kernel.data.length / (rows * columns); tap++, count++)
      sum += kernel.data[(tap * rows + c) * columns + f];
    return sum / count;
  };
  switch (at.layer.class) {
    case 'Conv2D': {
      const [perGroup, filters] = kernel!.shape.slice(2);
      const first = Math.floor(channel / (filters / at.options.groups)) * perGroup;
      return range(perGroup).map((c) => ({ input: 0, channel: first + c, weight: mean(c, channel) }));
    }
    case 'DepthwiseConv2D': {
      const c = Math.floor(channel / kernel!.shape[3]);
      return [{ input: 0, channel: c, weight: mean(c, channel % kernel!.shape[3]) }];
    }
    case 'Conv2DTranspose':
      return range(channels(0)).map((c) => ({ input: 0, channel: c, weight: mean(channel, c) }));
    case 'SeparableConv2D':
      return range(channels(0)).map((c) => ({ input: 0, channel: c, weight: null }));
    case 'Dense':
      return range(channels(0)).map((c) => ({ input: 0, channel: c, weight: mean(c, channel) }));
    case 'Flatten':
    case 'Reshape':
      return shapes[0].length === 3 ? [{ input: 0, channel: channel % channels(0), weight: null }] : [];
    case 'Concatenate': {
      let start = 0;
      for (let k = 0; k < shapes.length; start += channels(k), k++)
        if (channel < start + channels(k)) return [{ input: k, channel: channel - start, weight: null }];
      return [];
    }
    default:
      return shapes.map((_, k) => ({ input: k, channel: Math.min(channel, channels(k) - 1), weight: null }));
  }
}
