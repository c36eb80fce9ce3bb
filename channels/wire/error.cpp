#include "channels/wire/error.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace multifd {
namespace {

struct Entry {
    Errc code;
    std::string_view name;
    const char* text;
    ExitCode exit;
};

constexpr ExitCode kProtocol = ExitCode::protocol_violation;
constexpr ExitCode kConnection = ExitCode::connection;
constexpr ExitCode kDisagreement = ExitCode::disagreement;
constexpr ExitCode kDevice = ExitCode::device_failed;

constexpr auto kEntries = std::to_array<Entry>({
    {Errc::ok, "ok", "no error", ExitCode::completed},
    {Errc::stream_magic_wrong, "stream_magic_wrong", "the main channel does not begin with QEVM",
     kProtocol},
    {Errc::stream_version_wrong, "stream_version_wrong", "the migration stream is not of version 3",
     kProtocol},
    {Errc::stream_truncated, "stream_truncated", "the main channel ended inside a record",
     kProtocol},
    {Errc::configuration_invalid, "configuration_invalid",
     "the CONFIGURATION record is out of place or its name too long", kProtocol},
    {Errc::section_type_unknown, "section_type_unknown",
     "the main channel carries a record of unknown type", kProtocol},
    {Errc::section_id_unknown, "section_id_unknown",
     "a section continues one that was never started", kProtocol},
    {Errc::section_id_repeated, "section_id_repeated", "a section id was given to a second section",
     kProtocol},
    {Errc::section_kind_wrong, "section_kind_wrong", "a section came where its kind may not stand",
     kProtocol},
    {Errc::section_footer_wrong, "section_footer_wrong",
     "a section's footer is missing or names another section", kProtocol},
    {Errc::section_foreign, "section_foreign",
     "the stream carries a section that only QEMU can load", kProtocol},
    {Errc::idstr_invalid, "idstr_invalid",
     "a device name is empty, too long, or not padded with NUL", kProtocol},
    {Errc::command_unknown, "command_unknown", "the main channel carries an unknown command",
     kProtocol},
    {Errc::command_length_wrong, "command_length_wrong", "a command's data has the wrong length",
     kProtocol},
    {Errc::command_unexpected, "command_unexpected", "a command came out of its order", kProtocol},
    {Errc::device_token_unknown, "device_token_unknown",
     "a device section carries an unknown token", kProtocol},
    {Errc::device_token_unexpected, "device_token_unexpected",
     "a device section carries a token out of its order", kProtocol},
    {Errc::vmdescription_too_large, "vmdescription_too_large",
     "the stream's description is over its limit", kProtocol},
    {Errc::return_path_type_unknown, "return_path_type_unknown",
     "the return path carries an unknown message", kProtocol},
    {Errc::return_path_length_wrong, "return_path_length_wrong",
     "a return-path message has the wrong length", kProtocol},
    {Errc::message_malformed, "message_malformed", "a message's content is not what its type says",
     kProtocol},
    {Errc::host_section_too_large, "host_section_too_large",
     "a section of the host is over its limit", kProtocol},
    {Errc::sections_too_many, "sections_too_many", "the stream starts too many sections",
     kProtocol},
    {Errc::section_version_wrong, "section_version_wrong",
     "a section has a version this end cannot read", kProtocol},
    {Errc::ram_section_malformed, "ram_section_malformed",
     "a RAM section of a recording contradicts itself", kProtocol},

    {Errc::channel_magic_wrong, "channel_magic_wrong",
     "a channel does not begin with the multifd magic", kProtocol},
    {Errc::channel_version_wrong, "channel_version_wrong", "a channel is not of version 1",
     kProtocol},
    {Errc::channel_id_invalid, "channel_id_invalid",
     "a channel's id is outside the agreed number of channels", kProtocol},
    {Errc::packet_magic_wrong, "packet_magic_wrong",
     "a packet does not begin with the multifd magic", kProtocol},
    {Errc::packet_version_wrong, "packet_version_wrong", "a packet is not of version 1", kProtocol},
    {Errc::packet_flags_unknown, "packet_flags_unknown", "a packet carries unknown flags",
     kProtocol},
    {Errc::packet_compression_unsupported, "packet_compression_unsupported",
     "a device-state packet is compressed though that was not agreed", kProtocol},
    {Errc::packet_too_small, "packet_too_small", "a packet is too small for its own header",
     kProtocol},
    {Errc::packet_too_large, "packet_too_large", "a packet is over the size limit", kProtocol},
    {Errc::state_version_wrong, "state_version_wrong", "a device-state packet is not of version 0",
     kProtocol},
    {Errc::state_flags_unknown, "state_flags_unknown",
     "a device-state packet carries unknown packet flags", kProtocol},
    {Errc::idx_reserved, "idx_reserved", "a packet carries the reserved idx 4294967295", kProtocol},
    {Errc::config_too_large, "config_too_large", "a config state is over its limit", kProtocol},
    {Errc::config_malformed, "config_malformed", "a config state lacks its tokens", kProtocol},
    {Errc::ram_packet_malformed, "ram_packet_malformed", "a RAM packet contradicts itself",
     kProtocol},
    {Errc::packet_unexpected, "packet_unexpected",
     "a packet came that has no place in this session", kProtocol},
    {Errc::raw_size_wrong, "raw_size_wrong",
     "an encoded packet is not smaller than the size that it declares", kProtocol},
    {Errc::zstd_corrupt, "zstd_corrupt", "a packet's compressed bytes are damaged", kProtocol},
    {Errc::zstd_too_long, "zstd_too_long",
     "a compressed packet holds more than the size that it declares", kProtocol},
    {Errc::zstd_too_short, "zstd_too_short",
     "a compressed packet holds less than the size that it declares", kProtocol},
    {Errc::zstd_trailing_bytes, "zstd_trailing_bytes",
     "bytes follow the end of a packet's compressed data", kProtocol},
    {Errc::zstd_window_too_large, "zstd_window_too_large",
     "a compressed packet asks for more memory than a packet can need", kProtocol},
    {Errc::zero_blocks_malformed, "zero_blocks_malformed",
     "a packet without its blocks of zeros has a map that contradicts it", kProtocol},

    {Errc::idx_duplicate, "idx_duplicate", "an idx arrived twice", kProtocol},
    {Errc::idx_gap, "idx_gap", "an idx is missing and can no longer arrive", kProtocol},
    {Errc::data_after_config, "data_after_config",
     "a state buffer has a higher idx than the config state", kProtocol},
    {Errc::config_duplicate, "config_duplicate", "a second config state arrived", kProtocol},
    {Errc::config_below_received, "config_below_received",
     "the config state has a lower idx than a state buffer", kProtocol},
    {Errc::device_unknown, "device_unknown",
     "a packet or section names a device this end does not have", kDisagreement},
    {Errc::idx_exhausted, "idx_exhausted", "a device has more packets than idx can number",
     kDevice},
    {Errc::pre_copy_misplaced, "pre_copy_misplaced",
     "a device's pre-copy packets are not those below its idx at the switchover", kProtocol},

    {Errc::hello_malformed, "hello_malformed", "the peer's hello cannot be understood", kProtocol},
    {Errc::hello_too_large, "hello_too_large", "a hello is over 64 KiB", kProtocol},
    {Errc::hello_version_unsupported, "hello_version_unsupported",
     "the ends share no protocol version", kDisagreement},
    {Errc::hello_missing, "hello_missing", "the peer is not multifd (for QEMU use --peer qemu)",
     kDisagreement},
    {Errc::hello_unexpected, "hello_unexpected", "a hello came out of its order", kProtocol},
    {Errc::channels_disagree, "channels_disagree", "the ends disagree on the number of channels",
     kDisagreement},
    {Errc::devices_disagree, "devices_disagree", "the ends do not have the same devices",
     kDisagreement},
    {Errc::multifd_disagree, "multifd_disagree", "the ends disagree on a device's multifd property",
     kDisagreement},
    {Errc::packet_size_disagree, "packet_size_disagree", "the ends disagree on the packet size",
     kDisagreement},
    {Errc::feature_missing, "feature_missing", "one end requires what the other does not offer",
     kDisagreement},

    {Errc::address_invalid, "address_invalid", "an address is neither tcp:HOST:PORT nor unix:PATH",
     ExitCode::usage},
    {Errc::connect_failed, "connect_failed", "the destination cannot be reached", kConnection},
    {Errc::connect_timeout, "connect_timeout", "the connections were not made in time",
     kConnection},
    {Errc::listen_failed, "listen_failed", "this address cannot be listened on", kConnection},
    {Errc::channel_closed_early, "channel_closed_early", "a connection closed before its end mark",
     kConnection},
    {Errc::channel_duplicate, "channel_duplicate", "a channel id was connected twice", kConnection},
    {Errc::session_unknown, "session_unknown", "a connection belongs to no session here",
     kConnection},
    {Errc::session_duplicate, "session_duplicate", "a main channel came though its session has one",
     kConnection},
    {Errc::classification_timeout, "classification_timeout",
     "a connection did not say in time what it is", kConnection},
    {Errc::connection_limit, "connection_limit", "too many connections wait to be classified",
     kConnection},
    {Errc::connection_kind_unknown, "connection_kind_unknown",
     "a connection began with foreign bytes", kConnection},
    {Errc::peer_closed, "peer_closed", "the peer closed the connection or died",
     ExitCode::peer_failed},
    {Errc::peer_silent, "peer_silent", "the peer has gone silent", ExitCode::timeout},
    {Errc::peer_failed, "peer_failed", "the peer failed", ExitCode::peer_failed},
    {Errc::bind_not_local, "bind_not_local", "the address of --bind is none of this host's",
     kConnection},
    {Errc::bind_family_wrong, "bind_family_wrong",
     "the address of --bind and the destination's are of different families", kConnection},

    {Errc::device_failed, "device_failed", "a device call failed", kDevice},
    {Errc::device_threw, "device_threw", "a device call threw an exception", kDevice},
    {Errc::device_stuck, "device_stuck", "a device call did not return in time", kDevice},
    {Errc::device_state_wrong, "device_state_wrong",
     "a device is not in a state a migration can begin from", kDevice},
    {Errc::device_rejected_state, "device_rejected_state",
     "the device rejected the state it was given", kDevice},
    {Errc::device_lacks_p2p, "device_lacks_p2p",
     "two or more devices do peer DMA and one lacks P2P", kDevice},

    {Errc::digest_mismatch, "digest_mismatch",
     "the bytes that arrived are not the bytes that were sent", ExitCode::verification},
    {Errc::count_mismatch, "count_mismatch", "the ends counted different packets or bytes",
     ExitCode::verification},

    {Errc::phase_timeout, "phase_timeout", "a phase took longer than its limit", ExitCode::timeout},
    {Errc::stall_timeout, "stall_timeout", "nothing has moved for too long", ExitCode::timeout},
    {Errc::cancelled, "cancelled", "cancelled here", ExitCode::cancelled},
    {Errc::cancelled_by_peer, "cancelled_by_peer", "cancelled by the peer", ExitCode::cancelled},
    {Errc::downtime_unreachable, "downtime_unreachable", "the predicted downtime is over its limit",
     ExitCode::downtime},

    {Errc::unknown_owner, "unknown_owner", "this end cannot know who owns the devices",
     ExitCode::unknown_owner},
    {Errc::commit_refused, "commit_refused",
     "the destination could start no device and gave them back", ExitCode::peer_failed},
    {Errc::record_failed, "record_failed", "the ownership record cannot be written",
     ExitCode::resources},

    {Errc::setting_invalid, "setting_invalid", "a setting is out of its range", ExitCode::usage},
    {Errc::host_failed, "host_failed", "the host refused or failed a step", ExitCode::host_failed},
    {Errc::memory_exhausted, "memory_exhausted", "this end has run out of memory",
     ExitCode::resources},
    {Errc::internal_error, "internal_error", "an internal fault of the engine", ExitCode::internal},
    {Errc::recording_unreadable, "recording_unreadable", "a recording cannot be read",
     ExitCode::resources},
    {Errc::output_failed, "output_failed", "a result cannot be written", ExitCode::resources},
});

const Entry* entry_of(int value) noexcept {
    const auto* found = std::ranges::find(kEntries, static_cast<Errc>(value), &Entry::code);
    return found == kEntries.end() ? nullptr : found;
}

class Category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "multifd"; }
    std::string message(int value) const override {
        const Entry* entry = entry_of(value);
        return entry != nullptr ? entry->text : "unknown multifd error";
    }
};

}  // namespace

const boost::system::error_category& multifd_category() noexcept {
    static const Category category;
    return category;
}

std::string_view error_name(const ErrorCode& error) noexcept {
    if (error.category() != multifd_category()) return "system";
    const Entry* entry = entry_of(error.value());
    return entry != nullptr ? entry->name : "internal_error";
}

Errc errc_of_name(std::string_view name) noexcept {
    const auto* found = std::ranges::find(kEntries, name, &Entry::name);
    return found == kEntries.end() ? Errc::ok : found->code;
}

ExitCode exit_code_of(const ErrorCode& error) noexcept {
    if (error.category() != multifd_category()) return ExitCode::resources;
    const Entry* entry = entry_of(error.value());
    return entry != nullptr ? entry->exit : ExitCode::internal;
}

}  // namespace multifd
