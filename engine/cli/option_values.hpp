// The values of options: text in, checked value out.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/cli/serve_choices.hpp"
#include "engine/cli/tune/workload.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// What --log-level chooses; `none` prints no log at all.
enum class LogChoice { debug, info, warning, error, none };
std::string_view to_string(LogChoice choice) noexcept;

// Each throws UsageError whose text goes on after the option and its value: "is not a size: ...".

std::string read_not_empty(std::string_view text);  ///< Anything but nothing.
std::string read_address(std::string_view text);
/// An IPv4 or IPv6 address in numbers, or "any".
std::string read_bind(std::string_view text);
std::vector<unsigned> read_cpus(std::string_view text);
NumaNode read_numa_node(std::string_view text);
std::string format_numa_node(const NumaNode& node);          ///< "none", "auto" or the number.
std::string read_congestion_control(std::string_view text);  ///< 1 to 15 printing characters.
std::string read_machine(std::string_view text);             ///< At most 255 bytes.
bool read_on_off(std::string_view text);
std::uint32_t read_channels(std::string_view text);    ///< 0 to 255; 0 is for --peer qemu alone.
std::size_t read_packet_size(std::string_view text);   ///< 4 KiB to 16 MiB, whole pages.
std::size_t read_queued_bytes(std::string_view text);  ///< At least the smallest packet.
std::uint64_t read_rate(std::string_view text);        ///< Bytes per second; 0 is no limit.
std::chrono::milliseconds read_time(std::string_view text);     ///< Whole milliseconds.
std::chrono::milliseconds read_timeout(std::string_view text);  ///< At least 1 ms.
Peer read_peer(std::string_view text);
MultifdCompression read_compression(std::string_view text);
std::string_view to_string(MultifdCompression compression) noexcept;
SubmissionPolicy read_submission_order(std::string_view text);
std::string_view to_string(SubmissionPolicy policy) noexcept;
int read_zstd_level(std::string_view text);  ///< 0 to 20.
OnUnknownOwner read_on_unknown_owner(std::string_view text);
vfio_user::Interface read_interface(std::string_view text);
Role read_role(std::string_view text);
LogChoice read_log_level(std::string_view text);

// For tune.
std::uint32_t read_device_count(std::string_view text);  ///< 1 to 64.
std::uint64_t read_state_size(std::string_view text);    ///< 4 KiB to 1 TiB.
std::uint64_t read_percent(std::string_view text);
std::uint32_t read_repeat(std::string_view text);  ///< 1 to 1000.
tuning::Memory read_memory(std::string_view text);

/// 32 hexadecimal digits, with or without the four dashes.
std::array<std::byte, 16> read_uuid(std::string_view text);
/// "01234567-89ab-...": read_uuid() of it gives the same.
std::string format_uuid(const std::array<std::byte, 16>& uuid);

}  // namespace multifd
