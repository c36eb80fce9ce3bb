#include "channels/wire/migration_stream_writer.hpp"

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/channel_init.hpp"

namespace multifd {
namespace {

std::uint64_t token_of(DeviceMark mark) noexcept {
    switch (mark) {
        case DeviceMark::setup:
            return kTokenSetupState;
        case DeviceMark::end_of_state:
            return kTokenEndOfState;
        case DeviceMark::init_data_sent:
            return kTokenInitDataSent;
    }
    return kTokenEndOfState;
}

}  // namespace

void StreamWriter::header() {
    append_integer(target_, kStreamMagic);
    append_integer(target_, kStreamVersion);
}

void StreamWriter::configuration(std::string_view machine) {
    MULTIFD_ASSERT(!machine.empty() && machine.size() <= limits::kMachineNameBytesMax);
    append_integer(target_, kRecordConfiguration);
    append_integer(target_, static_cast<std::uint32_t>(machine.size()));
    append_bytes(target_, bytes_of(machine));
}

void StreamWriter::command(std::uint16_t id, std::span<const std::byte> data) {
    MULTIFD_ASSERT(data.size() <= limits::kCommandBytesMax);
    append_integer(target_, kRecordCommand);
    append_integer(target_, id);
    append_integer(target_, static_cast<std::uint16_t>(data.size()));
    append_bytes(target_, data);
}

void StreamWriter::ping(std::uint32_t value) {
    std::array<std::byte, 4> data{};
    store_at<0>(std::span(data), value);
    command(kCommandPing, data);
}

void StreamWriter::section_begin(SectionType type, std::uint32_t section_id, std::string_view idstr,
                                 std::uint32_t instance_id, std::uint32_t version_id) {
    append_integer(target_, static_cast<std::uint8_t>(type));
    append_integer(target_, section_id);
    if (type == SectionType::part || type == SectionType::end) return;
    MULTIFD_ASSERT(!idstr.empty() && idstr.size() <= limits::kIdstrBytesMax);
    append_integer(target_, static_cast<std::uint8_t>(idstr.size()));
    append_bytes(target_, bytes_of(idstr));
    append_integer(target_, instance_id);
    append_integer(target_, version_id);
}

void StreamWriter::mark(DeviceMark mark) {
    append_integer(target_, token_of(mark));
}

void StreamWriter::init_data_below(std::uint32_t idx) {
    MULTIFD_ASSERT(idx != limits::kIdxReserved);
    append_integer(target_, kTokenInitDataBelow);
    append_integer(target_, idx);
}

void StreamWriter::data_begin(std::uint64_t bytes) {
    append_integer(target_, kTokenDataState);
    append_integer(target_, bytes);
}

void StreamWriter::config(std::span<const std::byte> bytes) {
    MULTIFD_ASSERT(bytes.size() <= limits::kConfigStateBytesMax);
    append_integer(target_, kTokenConfigState);
    append_bytes(target_, bytes);
    append_integer(target_, kTokenEndOfState);
}

void StreamWriter::sized_config_begin(std::uint32_t bytes) {
    MULTIFD_ASSERT(bytes <= limits::kConfigStateBytesMax);
    append_integer(target_, kTokenSizedConfig);
    append_integer(target_, std::uint64_t{bytes});
}

void StreamWriter::section_end(std::uint32_t section_id) {
    append_integer(target_, kRecordFooter);
    append_integer(target_, section_id);
}

void StreamWriter::eof() {
    append_integer(target_, kRecordEof);
}

void StreamWriter::vmdescription(std::string_view json) {
    MULTIFD_ASSERT(json.size() <= limits::kVmDescriptionBytesMax);
    append_integer(target_, kRecordVmDescription);
    append_integer(target_, static_cast<std::uint32_t>(json.size()));
    append_bytes(target_, bytes_of(json));
}

}  // namespace multifd
