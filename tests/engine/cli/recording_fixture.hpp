// What the tests of inspection share: recordings made here, byte by byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "channels/wire/channel_init.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/migration_stream_writer.hpp"
#include "channels/wire/return_path.hpp"
#include "engine/cli/inspection.hpp"

namespace multifd::recorded {

using Bytes = std::vector<std::byte>;

inline constexpr const char* kGpu = "gpu/0";

inline Bytes text_bytes(std::string_view text) {
    const auto view = std::as_bytes(std::span(text.data(), text.size()));
    return {view.begin(), view.end()};
}

inline Bytes config_data(std::string_view text) {
    Bytes data;
    const auto head = config_state_token();
    const auto tail = end_of_state_token();
    const Bytes body = text_bytes(text);
    data.insert(data.end(), head.begin(), head.end());
    data.insert(data.end(), body.begin(), body.end());
    data.insert(data.end(), tail.begin(), tail.end());
    return data;
}

/// A recorded channel, packet by packet.
class ChannelRecording {
  public:
    explicit ChannelRecording(std::uint8_t id = 0, std::byte session = std::byte{7}) {
        ChannelInit init;
        init.id = id;
        init.session.bytes.fill(session);
        bytes.resize(kChannelInitBytes);
        encode(init, kMultifdMagic, std::span(bytes).first<kChannelInitBytes>());
    }
    ChannelRecording& state(std::uint32_t idx, std::string_view text, const char* idstr = kGpu) {
        return add(idstr, idx, false, text_bytes(text));
    }
    ChannelRecording& config(std::uint32_t idx, std::string_view text, const char* idstr = kGpu) {
        return add(idstr, idx, true, config_data(text));
    }
    ChannelRecording& add(const char* idstr, std::uint32_t idx, bool config, const Bytes& data) {
        std::array<std::byte, kDeviceStatePrologueBytes> head{};
        encode(DeviceStateHeader{.idstr = idstr,
                                 .idx = idx,
                                 .config = config,
                                 .data_bytes = static_cast<std::uint32_t>(data.size())},
               std::span(head));
        bytes.insert(bytes.end(), head.begin(), head.end());
        bytes.insert(bytes.end(), data.begin(), data.end());
        return *this;
    }

    /// A packet in another form than its bytes.
    ChannelRecording& encoded(std::uint32_t idx, PacketEncoding encoding, std::uint32_t raw_bytes,
                              const Bytes& data) {
        std::array<std::byte, kEncodedPrologueBytes> head{};
        encode(DeviceStateHeader{.idstr = kGpu,
                                 .idx = idx,
                                 .data_bytes = static_cast<std::uint32_t>(data.size()),
                                 .encoding = encoding,
                                 .raw_bytes = raw_bytes},
               std::span(head));
        bytes.insert(bytes.end(), head.begin(), head.end());
        bytes.insert(bytes.end(), data.begin(), data.end());
        return *this;
    }

    Bytes bytes;
};

/// A recorded main channel whose device's state may go down it.
inline Bytes main_channel(std::string_view main_state = "", std::string_view pre_copy = "",
                          bool eof = true) {
    Bytes bytes;
    StreamWriter writer(bytes);
    writer.header();
    writer.configuration("none");
    writer.open_return_path();
    writer.ping(1);
    writer.section_begin(SectionType::start, 1, kGpu, 0, kDeviceSectionVersion);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    const auto data = [&](SectionType type, std::string_view text) {
        writer.section_begin(type, 1, kGpu, 0, kDeviceSectionVersion);
        if (!text.empty()) {
            writer.data_begin(text.size());
            const Bytes body = text_bytes(text);
            bytes.insert(bytes.end(), body.begin(), body.end());
        }
        writer.mark(DeviceMark::end_of_state);
        writer.section_end(1);
    };
    if (!pre_copy.empty()) data(SectionType::part, pre_copy);
    writer.switchover_start();
    data(SectionType::end, main_state);
    writer.section_begin(SectionType::full, 1, kGpu, 0, kDeviceSectionVersion);
    if (main_state.empty()) {
        writer.mark(DeviceMark::end_of_state);
    } else {
        writer.config(text_bytes("main-config"));
    }
    writer.section_end(1);
    if (eof) writer.eof();
    return bytes;
}

inline Bytes return_path(bool pong = true, bool shut = true) {
    Bytes bytes;
    if (pong) append_message(bytes, ReturnPathType::pong, encode_u32(1));
    if (shut) append_message(bytes, ReturnPathType::shut, encode_u32(0));
    return bytes;
}

inline ChannelRecording good_channel() {
    ChannelRecording channel;
    channel.state(0, "abc").state(1, "de").config(2, "settings");
    return channel;
}

/// Looks at nothing on the way.
class Blind final : public RecordVisitor {
  public:
    void begin_file(const RecordedFile&, std::string_view) override {}
    void record(const InspectedRecord&) override {}
    void end_file() override {}
};

inline Inspection inspect(const std::vector<Bytes>& recording) {
    std::vector<RecordedFile> files;
    for (const Bytes& bytes : recording) {
        files.push_back({"file-" + std::to_string(files.size()), bytes});
    }
    Blind blind;
    return inspect_recording(files, blind);
}

}  // namespace multifd::recorded
