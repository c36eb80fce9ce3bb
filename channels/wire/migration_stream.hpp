// Sans-I/O parser of the main channel, source to destination: bytes in, one event at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "channels/wire/error.hpp"
#include "channels/wire/limits.hpp"
#include "channels/wire/stream_events.hpp"

namespace multifd {

/// Whose a section is. Asked once per START or FULL head; PART and END follow their START.
class SectionClassifier {
  public:
    SectionClassifier() = default;
    SectionClassifier(const SectionClassifier&) = default;
    SectionClassifier& operator=(const SectionClassifier&) = default;
    virtual ~SectionClassifier() = default;

    [[nodiscard]] virtual SectionKind kind_of(std::string_view idstr,
                                              std::uint32_t instance_id) const noexcept = 0;
};

struct ParserOptions {
    /// Our commands and the sized config state may come: the peer is, or may be, multifd.
    bool extensions = true;
    /// A recording is read: ram and foreign sections are events. Otherwise they are
    /// section_foreign.
    bool recording = false;
};

/// No event: `needed` bytes in all, from the first that is not consumed, must be visible to go on.
struct Parsed {
    std::optional<StreamEvent> event;
    std::size_t consumed = 0;
    std::size_t needed = 0;
};

/// The most that must ever be visible at once: an unsized config state with its tokens and footer.
inline constexpr std::size_t kVisibleBytesMax =
    limits::kConfigStateBytesMax + 2 * limits::kConfigTokenBytes + 5;

/// Checks the order of records as well as their bytes: header and CONFIGURATION first; a hello
/// before any section; sections known, not repeated and right for their type; VFIO tokens legal for
/// their section; footers; nothing but commands and VMDESCRIPTION after EOF.
///
/// Limits:    remembers at most kSectionsMax started sections; nothing of host and foreign ones.
/// Ownership: `classifier` outlives the parser. Spans in events view `visible`; SectionBegin's
///            idstr views the parser and is valid until the next parse().
/// Threads:   not thread-safe.
/// Errors:    the stream is unusable after the first one; section() names where it was.
class StreamParser {
  public:
    static constexpr std::size_t kSectionsMax = limits::kDevicesMax + 64;

    explicit StreamParser(const SectionClassifier& classifier, ParserOptions options = {});

    /// Reads the next record, or part of one, from the front of `visible`. RAW bytes announced by
    /// the event before are no longer in `visible`.
    Result<Parsed> parse(std::span<const std::byte> visible);

    /// Where the stream may end or be left: between records, after the header.
    [[nodiscard]] bool at_record_boundary() const noexcept { return state_ == State::record; }
    [[nodiscard]] bool eof_seen() const noexcept { return eof_seen_; }
    [[nodiscard]] bool switchover_seen() const noexcept { return switchover_seen_; }

    /// What the connection's end means with `left` bytes unparsed: success, or stream_truncated.
    [[nodiscard]] Result<> finish(std::size_t left) const noexcept;

    /// The section being read, or the last one; for messages. Empty idstr: none yet.
    [[nodiscard]] const SectionBegin& section() const noexcept { return section_; }

  private:
    //  header -> configuration -> record <-> (device | host_data, host_end | ram) -> footer ->
    //  record
    enum class State {
        header,
        configuration,
        record,
        device,     ///< A token of a device section comes.
        host_data,  ///< DEV_DATA_STATE of a host section comes.
        host_end,   ///< END_OF_STATE of a host section comes.
        ram,        ///< A record of a ram section comes.
        footer,
    };

    /// A section that was started. `ended` and `full` say which of its records were seen.
    struct Known {
        std::string idstr;
        std::uint32_t instance_id = 0;
        std::uint32_t version_id = 0;
        SectionKind kind = SectionKind::device;
        bool ended = false;
        bool full = false;
    };

    static Parsed need(std::size_t bytes) { return {std::nullopt, 0, bytes}; }
    static Parsed got(const StreamEvent& event, std::size_t consumed) {
        return {event, consumed, 0};
    }

    Result<Parsed> parse_header(std::span<const std::byte> visible);
    Result<Parsed> parse_configuration(std::span<const std::byte> visible);
    Result<Parsed> parse_record(std::span<const std::byte> visible);
    Result<Parsed> parse_command(std::span<const std::byte> visible);
    [[nodiscard]] Errc judge_command(std::uint16_t id, std::size_t length) const noexcept;
    [[nodiscard]] Errc judge_extension(std::uint16_t id, std::size_t length) const noexcept;
    Result<Parsed> parse_section_head(std::span<const std::byte> visible, SectionType type);
    Result<Parsed> continue_section(std::span<const std::byte> visible, SectionType type);
    Errc open_start();
    Errc open_full();
    [[nodiscard]] Errc judge_version() const noexcept;
    Parsed enter_section(std::size_t consumed);
    Result<Parsed> parse_device(std::span<const std::byte> visible);
    Result<Parsed> parse_config(std::span<const std::byte> visible);
    Result<Parsed> parse_sized_config(std::span<const std::byte> visible);
    [[nodiscard]] bool token_in_order(std::uint64_t token) const noexcept;
    Result<Parsed> parse_host(std::span<const std::byte> visible);
    Result<Parsed> parse_ram(std::span<const std::byte> visible);
    Result<Parsed> parse_footer(std::span<const std::byte> visible);
    Result<Parsed> parse_vmdescription(std::span<const std::byte> visible);

    // Constant after construction.
    const SectionClassifier& classifier_;
    const ParserOptions options_;

    State state_ = State::header;
    SectionBegin section_;
    std::array<char, limits::kIdstrBytesMax> idstr_{};  ///< What section_.idstr views.
    std::map<std::uint32_t, Known> known_;
    std::size_t scanned_ = 0;         ///< Bytes of an unsized config state searched in vain.
    std::uint64_t ram_unlisted_ = 0;  ///< Bytes of RAM whose blocks are still to be listed.
    bool setup_seen_ = false;         ///< In this START section.
    bool config_seen_ = false;        ///< In this FULL section.
    bool section_seen_ = false;
    bool hello_asked_ = false;
    bool hello_seen_ = false;
    bool switchover_seen_ = false;
    bool eof_seen_ = false;
    bool commit_seen_ = false;
    bool vmdescription_seen_ = false;
};

}  // namespace multifd
