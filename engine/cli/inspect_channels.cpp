// Reads the recorded channels and messages of an inspection.
#include "engine/cli/inspection_reader.hpp"

#include <map>
#include <set>

#include "channels/wire/recording.hpp"
#include "channels/wire/transfer_report.hpp"
#include "engine/cli/state_unpacker.hpp"

namespace multifd {
namespace {

std::string_view compression_name(RamCompression compression) {
    switch (compression) {
        case RamCompression::none:
            return "none";
        case RamCompression::zlib:
            return "zlib";
        case RamCompression::zstd:
            return "zstd";
        case RamCompression::qpl:
            return "qpl";
        case RamCompression::uadk:
            return "uadk";
        case RamCompression::qatzip:
            return "qatzip";
    }
    return "none";
}

std::string_view encoding_name(PacketEncoding encoding) {
    switch (encoding) {
        case PacketEncoding::raw:
            return "raw";
        case PacketEncoding::zstd:
            return "zstd";
        case PacketEncoding::zero_tail:
            return "zero-tail";
        case PacketEncoding::zero_blocks:
            return "zero-blocks";
    }
    return "raw";
}

/// Takes the packets of one channel into the result.
class ChannelInspector {
  public:
    ChannelInspector(const RecordedFile& file, InspectionState& state, InspectedChannel& channel)
        : file_(file), state_(state), channel_(channel) {}

    void take(const RecordedPacket& packet) {
        record_ = {"channel-end", packet.offset, packet.bytes, {}};
        std::visit([&](const auto& header) { add(header, packet); }, packet.header);
        state_.visitor.record(record_);
    }

  private:
    void add(const DeviceStateHeader& header, const RecordedPacket& packet) {
        DeviceIdentity identity{std::string(header.idstr), header.instance_id};
        record_.kind = "device-state";
        record_.fields = {{"idstr", identity.idstr},
                          {"instance-id", std::uint64_t{header.instance_id}},
                          {"idx", std::uint64_t{header.idx}},
                          {"config", header.config},
                          {"data", std::uint64_t{packet.payload.size()}}};
        if (header.pre_copy) record_.fields.push_back({"pre-copy", true});
        ++channel_.device_packets;
        InspectedDevice& device = state_.result.devices[identity];
        StatePacket& taken = device.packets.emplace_back(
            StatePacket{header.idx, header.config, header.pre_copy, packet.payload, header.encoding,
                        header.state_bytes()});
        if (header.encoding != PacketEncoding::raw) note_encoding(identity, packet.offset, taken);
        note_order(identity, header.idx, packet.offset);
    }

    /// Unpacks it once, to know that it can be.
    void note_encoding(const DeviceIdentity& identity, std::uint64_t offset, StatePacket& packet) {
        record_.fields.push_back({"encoding", std::string(encoding_name(packet.encoding))});
        record_.fields.push_back({"raw", std::uint64_t{packet.state_bytes}});
        const auto unpacked = unpacker_.unpack(packet);
        if (unpacked) return;
        packet.damaged = true;
        Finding finding;
        finding.code = error_name(unpacked.error());
        finding.file = file_.name;
        finding.offset = offset;
        finding.device = identity;
        finding.message = "idx " + std::to_string(packet.idx) + ": " + unpacked.error().message();
        state_.result.findings.push_back(std::move(finding));
    }

    void add(const RamPacket& ram, const RecordedPacket&) {
        record_.kind = ram.sync ? "SYNC" : "ram";
        record_.fields = {{"packet-num", ram.packet_num},
                          {"normal-pages", std::uint64_t{ram.normal_pages}},
                          {"zero-pages", std::uint64_t{ram.zero_pages}},
                          {"compression", std::string(compression_name(ram.compression))}};
        ++channel_.ram_packets;
    }

    void add(const ChannelEnd&, const RecordedPacket&) { record_.kind = "channel-end"; }

    /// On one channel the order of packets is known; across channels it is not.
    void note_order(const DeviceIdentity& identity, std::uint32_t idx, std::uint64_t offset) {
        const auto [place, first] = highest_.try_emplace(identity, idx);
        if (first || idx > place->second) {
            place->second = idx;
            return;
        }
        if (!told_.insert(identity).second) return;
        Finding finding;
        finding.severity = Severity::information;
        finding.code = "out_of_order";
        finding.file = file_.name;
        finding.offset = offset;
        finding.device = identity;
        finding.message = "idx " + std::to_string(idx) + " stands behind idx " +
                          std::to_string(place->second) + " on the same channel";
        state_.result.findings.push_back(std::move(finding));
    }

    const RecordedFile& file_;
    InspectionState& state_;
    InspectedChannel& channel_;
    InspectedRecord record_;
    StateUnpacker unpacker_;
    std::map<DeviceIdentity, std::uint32_t> highest_;
    std::set<DeviceIdentity> told_;  ///< One finding for each device and channel is enough.
};

std::string_view return_path_name(std::uint16_t type) {
    switch (static_cast<ReturnPathType>(type)) {
        case ReturnPathType::shut:
            return "SHUT";
        case ReturnPathType::pong:
            return "PONG";
        case ReturnPathType::switchover_ack:
            return "SWITCHOVER_ACK";
        case ReturnPathType::hello:
            return "HELLO";
        case ReturnPathType::ready:
            return "READY";
        case ReturnPathType::loaded:
            return "LOADED";
        case ReturnPathType::running:
            return "RUNNING";
        case ReturnPathType::refused:
            return "REFUSED";
        case ReturnPathType::pre_copy_status:
            return "PRE_COPY_STATUS";
        case ReturnPathType::transfer_report:
            return "TRANSFER_REPORT";
    }
    return "unknown";
}

std::string_view control_name(std::uint16_t type) {
    switch (static_cast<ControlType>(type)) {
        case ControlType::heartbeat:
            return "HEARTBEAT";
        case ControlType::error:
            return "ERROR";
        case ControlType::cancel_request:
            return "CANCEL_REQUEST";
    }
    return "unknown";
}

/// Keeps what the destination said; returns what it was in words, or why it cannot be understood.
Result<> hear(const Message& message, Conversation& conversation, InspectedRecord& record) {
    switch (static_cast<ReturnPathType>(message.type)) {
        case ReturnPathType::shut:
        case ReturnPathType::pong: {
            const auto value = decode_u32(message.data);
            if (!value) return value.error();
            record.fields.push_back({"value", std::uint64_t{*value}});
            if (message.type == static_cast<std::uint16_t>(ReturnPathType::shut)) {
                conversation.shut = *value;
            } else {
                conversation.pongs.push_back(*value);
            }
            return {};
        }
        case ReturnPathType::hello: {
            auto hello = decode_hello(message.data);
            if (!hello) return hello.error();
            conversation.destination_hello = std::move(*hello);
            return {};
        }
        case ReturnPathType::loaded: {
            const auto table = decode_verify(message.data);
            if (!table) return table.error();
            conversation.destination_counts.insert(conversation.destination_counts.end(),
                                                   table->entries.begin(), table->entries.end());
            return {};
        }
        case ReturnPathType::running:
            conversation.running_seen = true;
            return {};
        case ReturnPathType::refused:
            conversation.shut = 1;
            return {};
        case ReturnPathType::pre_copy_status: {
            const auto table = decode_pre_copy_status(message.data);
            if (!table) return table.error();
            return {};
        }
        case ReturnPathType::transfer_report: {
            const auto report = decode_transfer_report(message.data);
            if (!report) return report.error();
            return {};
        }
        case ReturnPathType::switchover_ack:
        case ReturnPathType::ready:
            return {};
    }
    return {};
}

}  // namespace

void inspect_channel(const RecordedFile& file, InspectionState& state) {
    ChannelReader reader(file.bytes);
    const Result<ChannelInit> init = reader.init();
    if (!init) return add_unreadable(state.result, file, reader.offset(), init.error());
    state.visitor.record(
        {"INIT",
         0,
         kChannelInitBytes,
         {{"id", std::uint64_t{init->id}}, {"session", to_string(init->session)}}});
    InspectedChannel channel{file.name, init->id, init->session, 0, 0, file.bytes.size()};
    ChannelInspector inspector(file, state, channel);
    for (;;) {
        const auto packet = reader.next();
        if (!packet) {
            add_unreadable(state.result, file, reader.offset(), packet.error());
            break;
        }
        if (!*packet) break;
        inspector.take(**packet);
    }
    state.result.channels.push_back(std::move(channel));
}

void inspect_return_path(const RecordedFile& file, InspectionState& state) {
    state.conversation.return_path_seen = true;
    MessageReader reader(file.bytes, RecordingKind::return_path);
    for (;;) {
        const auto message = reader.next();
        if (!message) return add_unreadable(state.result, file, reader.offset(), message.error());
        if (!*message) return;
        const RecordedMessage& heard = **message;
        InspectedRecord record{return_path_name(heard.message.type), heard.offset, heard.bytes, {}};
        const Result<> understood = hear(heard.message, state.conversation, record);
        state.visitor.record(record);
        if (!understood) {
            return add_unreadable(state.result, file, heard.offset, understood.error());
        }
    }
}

void inspect_control(const RecordedFile& file, InspectionState& state) {
    std::size_t offset = 0;
    const bool from_source = file.bytes.size() >= 4 && classify(file.bytes.first<4>()) &&
                             *classify(file.bytes.first<4>()) == ConnectionKind::control;
    if (from_source) {
        if (file.bytes.size() < kChannelInitBytes) {
            return add_unreadable(state.result, file, 0, Errc::channel_closed_early);
        }
        const auto init = decode_channel_init(file.bytes.first<kChannelInitBytes>());
        if (!init) return add_unreadable(state.result, file, 0, init.error());
        state.visitor.record(
            {"INIT", 0, kChannelInitBytes, {{"session", to_string(init->session)}}});
        offset = kChannelInitBytes;
    }
    MessageReader reader(file.bytes, RecordingKind::control, offset);
    for (;;) {
        const auto message = reader.next();
        if (!message) return add_unreadable(state.result, file, reader.offset(), message.error());
        if (!*message) return;
        const RecordedMessage& heard = **message;
        state.visitor.record({control_name(heard.message.type), heard.offset, heard.bytes, {}});
    }
}

}  // namespace multifd
