// The one error list of the project: what can go wrong, its name, its text and its exit code.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <string_view>

namespace multifd {

using ErrorCode = boost::system::error_code;

/// A value or an ErrorCode. Boost's own result may be ignored silently; this one may not.
template <class T = void>
class [[nodiscard]] Result : public boost::system::result<T> {
  public:
    using boost::system::result<T>::result;
};

/// Numbers never change meaning; names are the contract with users (`error.code` in reports).
enum class Errc {
    ok = 0,

    // The main channel's bytes.
    stream_magic_wrong = 100,
    stream_version_wrong,
    stream_truncated,
    configuration_invalid,
    section_type_unknown,
    section_id_unknown,
    section_id_repeated,
    section_kind_wrong,
    section_footer_wrong,
    section_foreign,
    idstr_invalid,
    command_unknown,
    command_length_wrong,
    command_unexpected,
    device_token_unknown,
    device_token_unexpected,
    vmdescription_too_large,
    return_path_type_unknown,
    return_path_length_wrong,
    message_malformed,
    host_section_too_large,
    sections_too_many,
    section_version_wrong,
    ram_section_malformed,

    // A channel's bytes.
    channel_magic_wrong = 200,
    channel_version_wrong,
    channel_id_invalid,
    packet_magic_wrong,
    packet_version_wrong,
    packet_flags_unknown,
    packet_compression_unsupported,
    packet_too_small,
    packet_too_large,
    state_version_wrong,
    state_flags_unknown,
    idx_reserved,
    config_too_large,
    config_malformed,
    ram_packet_malformed,
    packet_unexpected,
    raw_size_wrong,
    zstd_corrupt,
    zstd_too_long,
    zstd_too_short,
    zstd_trailing_bytes,
    zstd_window_too_large,
    zero_blocks_malformed,

    // Order and completeness.
    idx_duplicate = 300,
    idx_gap,
    data_after_config,
    config_duplicate,
    config_below_received,
    device_unknown,
    idx_exhausted,
    pre_copy_misplaced,

    // Agreement of the two ends.
    hello_malformed = 400,
    hello_too_large,
    hello_version_unsupported,
    hello_missing,
    hello_unexpected,
    channels_disagree,
    devices_disagree,
    multifd_disagree,
    packet_size_disagree,
    feature_missing,

    // Connections.
    address_invalid = 500,
    connect_failed,
    connect_timeout,
    listen_failed,
    channel_closed_early,
    channel_duplicate,
    session_unknown,
    session_duplicate,
    classification_timeout,
    connection_limit,
    connection_kind_unknown,
    peer_closed,
    peer_silent,
    peer_failed,
    bind_not_local,
    bind_family_wrong,

    // Devices.
    device_failed = 600,
    device_threw,
    device_stuck,
    device_state_wrong,
    device_rejected_state,
    device_lacks_p2p,

    // Verification.
    digest_mismatch = 700,
    count_mismatch,

    // Time and will.
    phase_timeout = 800,
    stall_timeout,
    cancelled,
    cancelled_by_peer,
    downtime_unreachable,

    // Ownership.
    unknown_owner = 900,
    commit_refused,
    record_failed,

    // This end.
    setting_invalid = 1000,
    host_failed,
    memory_exhausted,
    internal_error,
    recording_unreadable,
    output_failed,
};

/// What a failed migration's process exits with; README lists the numbers.
enum class ExitCode : int {
    completed = 0,
    internal = 1,
    usage = 2,
    connection = 3,
    peer_failed = 4,
    device_failed = 5,
    protocol_violation = 6,
    verification = 7,
    timeout = 8,
    cancelled = 9,
    unknown_owner = 10,
    disagreement = 11,
    host_failed = 12,
    resources = 13,
    downtime = 14,
};

/// Comparable by address: there is one object, in error.cpp.
const boost::system::error_category& multifd_category() noexcept;

inline ErrorCode make_error_code(Errc value) noexcept {
    return ErrorCode(static_cast<int>(value), multifd_category());
}

/// "idx_gap"; "system" for a code of another category (its text then says more).
std::string_view error_name(const ErrorCode& error) noexcept;
/// The Errc of that name, or Errc::ok when there is none (a newer peer may know more).
Errc errc_of_name(std::string_view name) noexcept;
ExitCode exit_code_of(const ErrorCode& error) noexcept;

}  // namespace multifd

template <>
struct boost::system::is_error_code_enum<multifd::Errc> : std::true_type {};
