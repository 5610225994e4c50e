/** Where the overview puts each layer's maps: a column per depth, maps to one scale, as large as the window allows. */
import type { ExplainerRecord } from '../record/format';

export interface Block {
  node: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Of maps: how many, how they are arranged, and how large one is drawn. */
  count: number;
  columns: number;
  rows: number;
  mapWidth: number;
  mapHeight: number;
  kind: 'maps' | 'vector' | 'answer';
  /** The room for the label above it. */
  pitch: number;
  /** Whether other blocks of the same column lie above it. */
  lower: boolean;
}

export interface Layout {
  blocks: Block[];
  width: number;
  height: number;
  top: number;
}

export const GAP = 3;
export const LABEL = 40;
export const FOOT = 20;
const SKIP_LANE = 22;
const LEAST_SIDE = 14;
const LEAST_COLUMN = 58;
const LEAST_GAP = 20;
const SCALES = [
  18, 14, 11, 9, 7.5, 6.5, 5.5, 5, 4.5, 4, 3.5, 3, 2.75, 2.5, 2.25, 2, 1.75, 1.5, 1.25, 1, 0.9, 0.8, 0.7, 0.6, 0.5,
  0.42, 0.36, 0.3,
];
const CELLS = [18, 14, 11, 9, 7, 5, 4, 3, 2, 1];

export function depths(record: ExplainerRecord): number[] {
  const depth: number[] = [];
  record.nodes.forEach(
    (node, k) => (depth[k] = node.inputs.length ? 1 + Math.max(...node.inputs.map((i) => depth[i])) : 0),
  );
  return depth;
}

/** Whether an edge jumps over other columns, and so runs above them. */
export const skips = (depth: number[], from: number, to: number): boolean => depth[to] - depth[from] > 1;

function blockOf(record: ExplainerRecord, node: number, scale: number, room: number): Block {
  const { shape } = record.nodes[node];
  const place = { node, x: 0, y: 0, pitch: 0, lower: false };
  if (record.outputs.includes(node) && shape.length === 1 && shape[0] <= 20) {
    const row = Math.min(24, Math.max(11, (room - 34) / Math.max(shape[0], 2)));
    const count = Math.max(shape[0], 2);
    return {
      ...place,
      kind: 'answer',
      count,
      columns: 1,
      rows: count,
      mapWidth: 138,
      mapHeight: row,
      width: 138,
      height: row * count,
    };
  }
  if (shape.length === 1) {
    const n = shape[0];
    const size = CELLS.find((cell) => cell * n <= room * Math.max(1, Math.floor(52 / cell))) ?? 1;
    const rows = Math.min(n, Math.max(1, Math.floor(room / size)));
    const columns = Math.ceil(n / rows);
    const balanced = Math.ceil(n / columns);
    const cellWidth = Math.max(size, columns === 1 ? 16 : 0);
    return {
      ...place,
      kind: 'vector',
      count: n,
      columns,
      rows: balanced,
      mapWidth: cellWidth,
      mapHeight: size,
      width: columns * cellWidth,
      height: balanced * size,
    };
  }
  const [h, w, count] = shape.length === 3 ? shape : [shape[0], shape[1], 1];
  const larger = Math.max(h, w);
  const side = Math.max(scale * larger, LEAST_SIDE);
  const [mapWidth, mapHeight] = [(side * w) / larger, (side * h) / larger];
  const fit = Math.max(1, Math.floor((room + GAP) / (mapHeight + GAP)));
  const columns = Math.ceil(count / fit);
  const rows = Math.ceil(count / columns);
  return {
    ...place,
    kind: 'maps',
    count,
    columns,
    rows,
    mapWidth,
    mapHeight,
    width: columns * (mapWidth + GAP) - GAP,
    height: rows * (mapHeight + GAP) - GAP,
  };
}

export function arrange(record: ExplainerRecord, width: number, height: number): Layout {
  const depth = depths(record);
  const columns: number[][] = [];
  depth.forEach((d, k) => (columns[d] ??= []).push(k));
  const jumps = record.nodes.some((node, k) => node.inputs.some((from) => skips(depth, from, k)));
  const top = jumps ? SKIP_LANE : 4;

  const largest = Math.max(
    ...record.nodes.filter((n) => n.shape.length > 1).map((n) => Math.max(n.shape[0], n.shape[1])),
    1,
  );
  const room = width - 24;
  const attempt = (scale: number) => {
    const blocks = columns.map((nodes) => {
      const room = Math.max((height - top - 4) / nodes.length - LABEL - FOOT, 40);
      return nodes.map((node) => blockOf(record, node, scale, room));
    });
    const widths = blocks.map((column) => Math.max(LEAST_COLUMN, ...column.map((block) => block.width)));
    const total = widths.reduce((a, b) => a + b, 0) + LEAST_GAP * (columns.length - 1);
    // Maps in one column can be joined by lines of their own.
    const single = blocks.flat().every((block) => block.columns === 1 || block.count > 20 || block.kind !== 'maps');
    return { blocks, widths, total, single, side: scale * largest };
  };
  const tries = SCALES.filter((scale) => scale * largest <= Math.max(150, largest)).map(attempt);
  const fitting = tries.filter((t) => t.total <= room);
  // Where none fits the reader scrolls: then the largest maps that are hardly wider than the smallest.
  const narrow = tries.filter((t) => t.total <= 1.1 * Math.min(...tries.map(({ total }) => total)));
  const chosen =
    fitting.find((t) => t.single && t.side >= 48) ??
    fitting[0] ??
    narrow.find((t) => t.single && t.side >= 28) ??
    narrow[0];

  const gap =
    LEAST_GAP + (columns.length > 1 ? Math.min(60, Math.max(0, (room - chosen.total) / (columns.length - 1))) : 0);
  const used = chosen.total + (gap - LEAST_GAP) * (columns.length - 1);
  let x = 12 + Math.max(0, (room - used) / 2);
  const placed: Block[] = [];
  chosen.blocks.forEach((column, d) => {
    const heights = column.reduce((sum, block) => sum + block.height + LABEL + FOOT, 0);
    let y = top + Math.max(0, (height - top - heights) / 2);
    for (const block of column) {
      y += LABEL;
      placed.push({
        ...block,
        x: x + (chosen.widths[d] - block.width) / 2,
        y,
        pitch: chosen.widths[d] + gap - 4,
        lower: block !== column[0],
      });
      y += block.height + FOOT;
    }
    x += chosen.widths[d] + gap;
  });
  const bottom = Math.max(...placed.map((block) => block.y + block.height + FOOT));
  return {
    blocks: placed.sort((a, b) => a.node - b.node),
    width: Math.max(width, x - gap + 12),
    height: Math.max(height, bottom),
    top,
  };
}

/** The middle of one map of a block, or of the whole block. */
export function centre(block: Block, channel: number): { x: number; y: number } {
  if (block.kind === 'maps') {
    const [column, row] = [Math.floor(channel / block.rows), channel % block.rows];
    return {
      x: block.x + column * (block.mapWidth + GAP) + block.mapWidth / 2,
      y: block.y + row * (block.mapHeight + GAP) + block.mapHeight / 2,
    };
  }
  const [column, row] = [Math.floor(channel / block.rows), channel % block.rows];
  return { x: block.x + (column + 0.5) * block.mapWidth, y: block.y + (row + 0.5) * block.mapHeight };
}

/** The map (or cell of a vector) under a point of the block. */
export function channelAt(block: Block, x: number, y: number): number | null {
  const [pitchX, pitchY] =
    block.kind === 'maps' ? [block.mapWidth + GAP, block.mapHeight + GAP] : [block.mapWidth, block.mapHeight];
  const [column, row] = [Math.floor(x / pitchX), Math.floor(y / pitchY)];
  const channel = column * block.rows + row;
  return column >= 0 && row >= 0 && row < block.rows && channel < block.count ? channel : null;
}
