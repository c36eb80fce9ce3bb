// Writes the records of the main channel, source to destination. Control plane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "channels/wire/stream_events.hpp"

namespace multifd {

/// Appends records to a vector, in the bytes QEMU writes. The caller keeps their order.
/// Limits:    arguments are within the protocol's limits (asserted).
/// Ownership: `target` outlives the writer.
class StreamWriter {
  public:
    explicit StreamWriter(std::vector<std::byte>& target) : target_(target) {}

    void header();
    void configuration(std::string_view machine);

    void command(std::uint16_t id, std::span<const std::byte> data = {});
    void open_return_path() { command(kCommandOpenReturnPath); }
    void ping(std::uint32_t value);
    void switchover_start() { command(kCommandSwitchoverStart); }

    /// START and FULL carry the whole head, PART and END the id alone.
    void section_begin(SectionType type, std::uint32_t section_id, std::string_view idstr,
                       std::uint32_t instance_id, std::uint32_t version_id = kDeviceSectionVersion);
    void mark(DeviceMark mark);
    /// In the place of DeviceMark::init_data_sent.
    void init_data_below(std::uint32_t idx);
    /// `bytes` bytes of data follow, sent by the caller.
    void data_begin(std::uint64_t bytes);
    /// QEMU's form: token, bytes, END_OF_STATE.
    void config(std::span<const std::byte> bytes);
    /// Our form: token and size; the bytes follow, then DeviceMark::end_of_state.
    void sized_config_begin(std::uint32_t bytes);
    void section_end(std::uint32_t section_id);

    void eof();
    void vmdescription(std::string_view json);

  private:
    std::vector<std::byte>& target_;
};

}  // namespace multifd
