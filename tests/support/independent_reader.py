#!/usr/bin/env python3
"""Reads recordings of migrations without any of the project's code, to check the project's readers.

    independent_reader.py extract RECORDING TARGET   writes IDSTR.INSTANCE.state, .precopy and
                                                     .config
    independent_reader.py filter RECORDING TARGET    writes main.bin and channel-ID.bin, without
                                                     what is not device state

RECORDING is a folder of conn-K-src2dst.bin files. `state` is that of STOP_COPY, ordered by idx;
`precopy` is what the device was given before it; `config` is what lies between its two tokens.
Prints a JSON summary. Fails, with a traceback, on anything it does not understand to the last byte.
"""

import json
import pathlib
import string
import struct
import sys

MAIN_MAGIC = b"QEVM"
CHANNEL_MAGIC = struct.pack(">I", 0x11223344)
INIT_BYTES = 64
CHANNEL_END = 0x80000000
DEVICE_STATE = 0x40
ZERO_TAIL = 0x40000000
ZERO_BLOCKS = 0x20000000
ZERO_BLOCK_BYTES = 4096

END_OF_STATE, CONFIG_STATE, SETUP_STATE, DATA_STATE, INIT_DATA_SENT = (
    struct.pack(">Q", 0xFFFFFFFFEF100000 + number) for number in range(1, 6)
)
SIZED_CONFIG = struct.pack(">Q", 0xFFFFFFFF4D464401)
TOKENS = {END_OF_STATE, CONFIG_STATE, SETUP_STATE, DATA_STATE, INIT_DATA_SENT, SIZED_CONFIG}

EOF, START, PART, END, FULL, VMDESCRIPTION, CONFIGURATION, COMMAND, FOOTER = (
    0, 1, 2, 3, 4, 6, 7, 8, 0x7E)


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "big")


class Device:
    def __init__(self):
        self.pre_copy = b""
        self.main_state = b""
        self.main_config = None
        self.packets = {}

    def state(self):
        indices = sorted(self.packets)
        assert indices == list(range(len(indices))), f"an idx is missing in {indices}"
        buffers = [data for idx, (config, data) in sorted(self.packets.items()) if not config]
        return self.main_state + b"".join(buffers)

    def config(self):
        configs = [data for config, data in self.packets.values() if config]
        if self.main_config is not None:
            configs.append(self.main_config)
        assert len(configs) <= 1, "two config states"
        return configs[0] if configs else None


class MainChannel:
    """Records as (start, end, keep); keep is false for sections that are not a device's."""

    def __init__(self, data, devices):
        self.data, self.devices = data, devices
        self.sections = {}
        self.records = []
        self.commands = []

    def read(self):
        at = self.keep(0, 8)
        while at < len(self.data):
            at = self.record(at)
        return self

    def keep(self, start, end, wanted=True):
        assert end <= len(self.data), f"the stream ends inside the record at {start}"
        self.records.append((start, end, wanted))
        return end

    def record(self, at):
        kind = self.data[at]
        if kind == EOF:
            return self.keep(at, at + 1)
        if kind in (CONFIGURATION, VMDESCRIPTION):
            return self.keep(at, at + 5 + number(self.data, at + 1, 4))
        if kind == COMMAND:
            self.commands.append(number(self.data, at + 1, 2))
            return self.keep(at, at + 5 + number(self.data, at + 3, 2))
        assert kind in (START, PART, END, FULL), f"record {kind} at {at}"
        section, body = number(self.data, at + 1, 4), at + 5
        if kind in (START, FULL):
            name_end = body + 1 + self.data[body]
            name = self.data[body + 1:name_end].decode()
            self.sections.setdefault(section, (name, number(self.data, name_end, 4)))
            body = name_end + 8
        if self.data[body:body + 8] in TOKENS:
            end = self.device_body(kind, section, body)
            return self.keep(at, end)
        return self.keep(at, self.foreign_end(section, body), wanted=False)

    def device_body(self, kind, section, at):
        device = self.devices.setdefault(self.sections[section], Device())
        while self.data[at] != FOOTER:
            token, at = self.data[at:at + 8], at + 8
            assert token in TOKENS, f"token {token.hex()} at {at - 8}"
            if token == DATA_STATE:
                size, at = number(self.data, at, 8), at + 8
                if kind == PART:
                    device.pre_copy += self.data[at:at + size]
                else:
                    device.main_state += self.data[at:at + size]
                at += size
            elif token == CONFIG_STATE:
                end = self.data.index(END_OF_STATE + self.footer(section), at)
                device.main_config, at = self.data[at:end], end
            elif token == SIZED_CONFIG:
                size, at = number(self.data, at, 8), at + 8
                device.main_config, at = self.data[at:at + size], at + size
        assert self.data[at:at + 5] == self.footer(section), f"footer at {at}"
        return at + 5

    @staticmethod
    def footer(section):
        return struct.pack(">BI", FOOTER, section)

    def foreign_end(self, section, at):
        """The first footer of this section behind which a record can stand."""
        while True:
            end = self.data.index(self.footer(section), at) + 5
            if self.can_be_record(end):
                return end
            at = end - 4

    def can_be_record(self, at):
        kind = self.data[at]
        if kind == EOF:
            return at + 1 == len(self.data) or self.data[at + 1] == VMDESCRIPTION
        if kind == COMMAND:
            return number(self.data, at + 1, 2) <= 11 and number(self.data, at + 3, 2) <= 16
        if kind in (PART, END):
            return number(self.data, at + 1, 4) in self.sections
        if kind in (START, FULL):
            name = self.data[at + 6:at + 6 + self.data[at + 5]].decode("latin-1")
            fresh = number(self.data, at + 1, 4) not in self.sections or kind == FULL
            return fresh and name != "" and all(c in string.printable for c in name)
        return False


def restored(data, size):
    """The state of which `data` leave out blocks of zeros."""
    count = -(-size // ZERO_BLOCK_BYTES)
    map_bytes = -(-count // 8)
    at, state = map_bytes, b""
    for block in range(count):
        length = min(ZERO_BLOCK_BYTES, size - len(state))
        if data[block // 8] & 0x80 >> block % 8:
            state += data[at:at + length]
            at += length
        else:
            state += bytes(length)
    assert at == len(data) and len(state) == size, "a map contradicts its packet"
    return state


class Channel:
    def __init__(self, data, devices):
        self.data, self.devices = data, devices
        self.id = data[24]
        self.records = [(0, INIT_BYTES, True)]

    def read(self):
        at = INIT_BYTES
        while at < len(self.data):
            end, wanted = self.packet(at)
            assert end <= len(self.data), f"the channel ends inside the packet at {at}"
            self.records.append((at, end, wanted))
            at = end
        return self

    def packet(self, at):
        assert self.data[at:at + 8] == CHANNEL_MAGIC + struct.pack(">I", 1), f"packet at {at}"
        flags = number(self.data, at + 8, 4)
        if flags == CHANNEL_END:
            return at + 12, True
        if not flags & DEVICE_STATE:
            return at + 1344 + number(self.data, at + 20, 4), False
        known = (DEVICE_STATE, DEVICE_STATE | ZERO_TAIL, DEVICE_STATE | ZERO_BLOCKS)
        assert flags in known, f"flags {flags:#x} at {at}"
        name = self.data[at + 12:at + 268]
        end = name.index(b"\0")
        assert not name[end:].strip(b"\0"), f"a name is not padded at {at}"
        body = at + 276
        size = number(self.data, at + 272, 4)
        version, idx, packet_flags = struct.unpack(">III", self.data[body:body + 12])
        assert version == 0 and packet_flags in (0, 1), f"device state at {at}"
        payload = self.data[body + 12:body + size]
        if flags & ZERO_TAIL:
            payload = payload[4:].ljust(number(payload, 0, 4), b"\0")
        if flags & ZERO_BLOCKS:
            payload = restored(payload[4:], number(payload, 0, 4))
        if packet_flags == 1:
            assert payload[:8] == CONFIG_STATE and payload[-8:] == END_OF_STATE
            payload = payload[8:-8]
        key = (name[:end].decode(), number(self.data, at + 268, 4))
        device = self.devices.setdefault(key, Device())
        assert idx not in device.packets, f"idx {idx} twice"
        device.packets[idx] = (packet_flags == 1, payload)
        return body + size, True


def read_recording(folder):
    devices, main, channels = {}, None, []
    for path in sorted(pathlib.Path(folder).glob("conn-*-src2dst.bin")):
        data = path.read_bytes()
        if data[:4] == MAIN_MAGIC:
            main = MainChannel(data, devices).read()
        elif data[:4] == CHANNEL_MAGIC:
            channels.append(Channel(data, devices).read())
    assert main is not None, "no main channel"
    return main, channels, devices


def file_name(idstr, instance):
    kept = string.ascii_letters + string.digits + ".-"
    name = "".join(chr(b) if chr(b) in kept else f"%{b:02X}" for b in idstr.encode())
    return f"{name}.{instance}"


def main():
    mode, recording, target = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    target.mkdir(parents=True, exist_ok=True)
    stream, channels, devices = read_recording(recording)
    if mode == "extract":
        for (idstr, instance), device in devices.items():
            name = file_name(idstr, instance)
            (target / (name + ".state")).write_bytes(device.state())
            if device.pre_copy:
                (target / (name + ".precopy")).write_bytes(device.pre_copy)
            if device.config() is not None:
                (target / (name + ".config")).write_bytes(device.config())
    else:
        kept = b"".join(stream.data[a:b] for a, b, wanted in stream.records if wanted)
        (target / "main.bin").write_bytes(kept)
        for channel in channels:
            kept = b"".join(channel.data[a:b] for a, b, wanted in channel.records if wanted)
            (target / f"channel-{channel.id}.bin").write_bytes(kept)
    print(json.dumps({
        "channels": len(channels),
        "commands": stream.commands,
        "devices": [{"idstr": idstr, "instance": instance, "packets": len(device.packets),
                     "pre-copy": len(device.pre_copy), "state": len(device.state())}
                    for (idstr, instance), device in devices.items()],
    }))


main()
