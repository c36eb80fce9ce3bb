#include "engine/cli/inspection.hpp"

#include <algorithm>

#include "channels/wire/recording.hpp"
#include "engine/cli/inspection_reader.hpp"

namespace multifd {
namespace {

void inspect_file(const RecordedFile& file, InspectionState& state) {
    if (file.bytes.empty()) {
        state.visitor.begin_file(file, "empty");
        return;
    }
    const Result<RecordingKind> kind = classify_recording(file.bytes);
    if (!kind) {
        state.visitor.begin_file(file, "unknown");
        add_unreadable(state.result, file, 0, kind.error());
        return;
    }
    switch (*kind) {
        case RecordingKind::main_channel:
            state.visitor.begin_file(file, "main channel");
            return inspect_main_channel(file, state);
        case RecordingKind::channel:
            state.visitor.begin_file(file, "channel");
            return inspect_channel(file, state);
        case RecordingKind::control:
            state.visitor.begin_file(file, "control connection");
            return inspect_control(file, state);
        case RecordingKind::return_path:
            state.visitor.begin_file(file, "return path");
            return inspect_return_path(file, state);
    }
}

std::uint64_t sum_of(const std::vector<std::span<const std::byte>>& pieces) {
    std::uint64_t bytes = 0;
    for (const auto piece : pieces) bytes += piece.size();
    return bytes;
}

}  // namespace

std::string_view to_string(Severity severity) noexcept {
    switch (severity) {
        case Severity::information:
            return "information";
        case Severity::warning:
            return "warning";
        case Severity::error:
            return "error";
    }
    return "error";
}

bool Inspection::has_errors() const noexcept {
    return std::ranges::find(findings, Severity::error, &Finding::severity) != findings.end();
}

Inspection inspect_recording(const std::vector<RecordedFile>& files, RecordVisitor& visitor) {
    Inspection result;
    Conversation conversation;
    InspectionState state{result, conversation, visitor};
    for (const RecordedFile& file : files) {
        inspect_file(file, state);
        visitor.end_file();
    }
    judge_devices(result, conversation);
    judge_conversation(result, conversation);
    return result;
}

OrderedState order_state(const InspectedDevice& device) {
    std::vector<const StatePacket*> packets;
    packets.reserve(device.packets.size());
    for (const StatePacket& packet : device.packets) packets.push_back(&packet);
    const auto by_idx = [](const StatePacket* packet) { return packet->idx; };
    std::ranges::stable_sort(packets, {}, by_idx);
    const auto same_idx = [](const StatePacket* one, const StatePacket* other) {
        return one->idx == other->idx;
    };
    packets.erase(std::unique(packets.begin(), packets.end(), same_idx), packets.end());

    OrderedState state;
    state.pre_copy_bytes = sum_of(device.pre_copy);
    state.state_bytes = sum_of(device.main_state);
    std::uint64_t expected = 0;
    for (const StatePacket* packet : packets) {
        state.complete = state.complete && packet->idx == expected && !packet->damaged;
        expected = std::uint64_t{packet->idx} + 1;
        if (packet->config) {
            state.config = packet;
        } else if (packet->pre_copy) {
            state.pre_copy.push_back(packet);
            state.pre_copy_bytes += packet->state_bytes;
        } else {
            state.buffers.push_back(packet);
            state.state_bytes += packet->state_bytes;
        }
    }
    return state;
}

std::optional<std::span<const std::byte>> config_of(const InspectedDevice& device) {
    if (device.main_config) return device.main_config;
    const StatePacket* packet = order_state(device).config;
    if (packet == nullptr) return std::nullopt;
    const auto bytes = unwrap_config(packet->data);
    return bytes ? std::optional(*bytes) : std::nullopt;
}

void add_unreadable(Inspection& result, const RecordedFile& file, std::uint64_t offset,
                    const ErrorCode& error) {
    Finding finding;
    finding.code = error_name(error);
    finding.file = file.name;
    finding.offset = offset;
    finding.message = error.message() + "; " + std::to_string(file.bytes.size() - offset) +
                      " bytes from there on were not read";
    result.findings.push_back(std::move(finding));
}

}  // namespace multifd
