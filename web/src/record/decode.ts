import { tensor, type Tensor } from '../engine/tensor';
import { FORMAT, VERSION, type ExplainerRecord } from './format';
import { inflate } from './inflate';

export function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function decompress(bytes: Uint8Array): Promise<Uint8Array> {
  if (typeof DecompressionStream === 'undefined') return inflate(bytes);
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Puts the four byte planes together again. Like bytes lie together in the file, so that they compress. */
export function unshuffle(planes: Uint8Array): Float32Array {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++)
    for (let i = 0; i < count; i++) bytes[4 * i + plane] = planes[plane * count + i];
  return new Float32Array(bytes.buffer);
}

export async function readTensors(record: ExplainerRecord): Promise<Tensor[]> {
  if (record.format !== FORMAT || record.version !== VERSION)
    throw new Error(
      `this page reads ${FORMAT} version ${VERSION}; the record is ${record.format} version ${record.version}.`,
    );
  return Promise.all(
    record.tensors.map(async ({ shape, data }) =>
      data ? tensor(shape, unshuffle(await decompress(bytesOf(data)))) : tensor([0]),
    ),
  );
}
