// What a served device's migration data consists of: sections around state and config. Sans-I/O.
//
// To a vfio-user client it is a stream of bytes without meaning, in reads of any size. All integers
// are big-endian: the two servers may stand on different hosts.
//
//    header  u8 0x01, u32 magic 0x4d465653, u32 version 1, u8 n, n bytes kind, u8 n, n bytes idstr,
//            u32 instance_id
//    data    u8 0x02, u32 size (1 to 16 MiB), bytes    any number, in pre-copy and after the stop
//    config  u8 0x03, u32 size (1 to 1 MiB), bytes     at most one, after all data
//    footer  u8 0x7e, u64 data bytes, u64 XXH3-64 of all data and config bytes in their order
//    end     u8 0x00                                   nothing follows
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/devices/vfio_user/native_endian.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// Whose state it is: both servers must have been given the same.
struct ServedIdentity {
    std::string kind;   ///< At most 255 bytes, like idstr.
    std::string idstr;  ///< Not empty.
    std::uint32_t instance_id = 0;

    bool operator==(const ServedIdentity&) const = default;
};

struct SectionLimits {
    static constexpr std::uint32_t kMagic = 0x4d465653;
    static constexpr std::uint32_t kVersion = 1;
    static constexpr std::size_t kDataHeadBytes = 5;
    static constexpr std::size_t kDataBytesMax = std::size_t{16} << 20U;
    static constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20U;
};

/// The most that stands around `state_bytes` in data sections of `chunk_bytes`: heads, a config
/// state of `config_bytes`, header, footer and end.
[[nodiscard]] std::uint64_t section_overhead(const ServedIdentity& identity,
                                             std::uint64_t state_bytes, std::size_t chunk_bytes,
                                             std::size_t config_bytes) noexcept;

// The writing half: each appends one section, or the head of one, to `target`.

void append_state_header(Bytes& target, const ServedIdentity& identity);
/// The head of a data section; `size` bytes follow it.
void append_data_head(Bytes& target, std::size_t size);
/// Nothing when there is no config state.
void append_config(Bytes& target, ConstBytes config);
void append_footer_and_end(Bytes& target, std::uint64_t data_bytes, std::uint64_t digest);

/// Takes what SectionReader finds.
class SectionSink {
  public:
    virtual ~SectionSink() = default;
    /// The next bytes of state, any number.
    virtual CallResult take_data(ConstBytes bytes) = 0;
    virtual CallResult take_config(ConstBytes config) = 0;
};

/// Reads sections from pieces of any size.
/// Limits:    holds at most one config state.
/// Errors:    the first one stays: every later feed() fails with it. What was found before it has
///            been handed to the sink.
class SectionReader {
  public:
    explicit SectionReader(ServedIdentity expected) : expected_(std::move(expected)) {}

    /// The next bytes of the stream. Fails with bad_message for what is no such stream, for the
    /// state of another device or of another version, a wrong footer, and bytes after the end; and
    /// with what the sink fails with.
    CallResult feed(ConstBytes bytes, SectionSink& sink);
    /// Whether nothing is missing: the end has come, or no byte has.
    [[nodiscard]] CallResult finish() const;

  private:
    enum class Place { header, section, data_size, data, config_size, config, footer, end };

    CallResult feed_piece(ConstBytes& bytes, SectionSink& sink);
    CallResult feed_data(ConstBytes& bytes, SectionSink& sink);
    /// Collects `count` bytes in pending_; whether they are there.
    bool collect(ConstBytes& bytes, std::size_t count);
    CallResult take_header(ConstBytes& bytes);
    CallResult take_section(ConstBytes& bytes);
    CallResult take_size(std::size_t most, Place next);
    CallResult take_footer();
    void go_to(Place place) noexcept;
    CallResult wrong(std::string what) const;

    ServedIdentity expected_;
    Place place_ = Place::header;
    Bytes pending_;              ///< Of what stands at place_, as far as it has come.
    std::size_t size_left_ = 0;  ///< Of the data or config section.
    bool config_seen_ = false;
    std::uint64_t data_bytes_ = 0;
    std::uint64_t position_ = 0;
    PiecewiseHash digest_;
    CallResult failure_ = CallResult::success();
};

}  // namespace multifd::vfio_user
