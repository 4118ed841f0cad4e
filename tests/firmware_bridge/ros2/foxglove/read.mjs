// What Foxglove's own packages make of a recording: a line of JSON for each message. node read.mjs PACKAGES FILE.mcap
import { open } from "node:fs/promises";
import { createRequire } from "node:module";

const from = createRequire(process.argv[2] + "/");
const { McapIndexedReader } = from("@mcap/core");
const { FileHandleReadable } = from("@mcap/nodejs");
const { parse } = from("@foxglove/rosmsg");
const { MessageReader } = from("@foxglove/rosmsg2-serialization");

function plain(key, value) {
  if (typeof value === "bigint") return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value, (each) => (typeof each === "bigint" ? Number(each) : each));
  if (value !== null && typeof value === "object" && "nsec" in value) return { sec: value.sec, nanosec: value.nsec };
  return value;
}

const reader = await McapIndexedReader.Initialize({ readable: new FileHandleReadable(await open(process.argv[3])) });
const readers = new Map();
for await (const message of reader.readMessages()) {
  const channel = reader.channelsById.get(message.channelId);
  const schema = reader.schemasById.get(channel.schemaId);
  if (!readers.has(schema.id)) {
    readers.set(schema.id, new MessageReader(parse(new TextDecoder().decode(schema.data), { ros2: true })));
  }
  const said = { topic: channel.topic, type: schema.name, message: readers.get(schema.id).readMessage(message.data) };
  console.log(JSON.stringify(said, plain));
}
