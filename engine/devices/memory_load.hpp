// What a memory device does with the state that is written to it: it believes no byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/devices/dirty_ring.hpp"
#include "engine/devices/memory_content.hpp"
#include "engine/devices/memory_records.hpp"
#include "engine/devices/state_content.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// What the destination's user said that the state is; what is absent is learnt from the source.
struct ExpectedState {
    std::optional<std::uint64_t> bytes;
    std::optional<std::uint64_t> seed;
    std::optional<std::uint64_t> compressible_pct;
    std::optional<std::uint64_t> config_bytes;
};

/// One of the two forms of the stream, once its first bytes have said which it is.
class LoadForm {
  public:
    virtual ~LoadForm() = default;
    virtual CallResult take(std::span<const std::byte> source) = 0;
    /// After the last take(): everything is there. Gives what the state is, apart from what only
    /// the config state can tell.
    virtual CallResult finish(MemoryContent& loaded) = 0;
};

/// Byte n of the stream is byte n of the state, all in generation 0.
class PlainLoad : public LoadForm {
  public:
    /// `held`, when not empty, takes the bytes, unchecked for now.
    PlainLoad(ContentIdentity identity, ExpectedState expected, std::span<std::byte> held) noexcept
        : content_(identity), expected_(expected), held_(held) {}
    CallResult take(std::span<const std::byte> source) override;
    CallResult finish(MemoryContent& loaded) override;

  private:
    StateContent content_;
    ExpectedState expected_;
    std::span<std::byte> held_;
    std::uint64_t position_ = 0;
};

/// The stream is one of memory_records.hpp. Pages may come again, always in the order of their
/// writes; in the end the last write of each page must have come.
class RecordLoad : public LoadForm {
  public:
    RecordLoad(ExpectedState expected, std::span<std::byte> held) noexcept
        : expected_(expected), held_(held) {}
    CallResult take(std::span<const std::byte> source) override;
    CallResult finish(MemoryContent& loaded) override;

  private:
    CallResult take_pages(std::span<const std::byte> source);
    CallResult begin(const MemoryRecord& record);
    CallResult begin_state(const MemoryRecord& record);
    CallResult begin_pages(const MemoryRecord& record);

    ExpectedState expected_;
    std::span<std::byte> held_;
    StateContent content_{ContentIdentity{}};
    DirtyRing ring_{0};
    MemoryRecordBytes head_{};
    std::size_t head_bytes_ = 0;    ///< How much of head_ has come.
    std::uint64_t sequence_ = 0;    ///< Of the next record.
    PageRun run_;                   ///< What of the current record's pages has not come.
    std::uint64_t unbroken_ = 0;    ///< All writes from this one ...
    std::uint64_t next_write_ = 0;  ///< ... to before this one have come.
    bool closed_ = false;
};

/// One load, from entering RESUMING to leaving it.
/// Ownership: `held` outlives this object.
class MemoryLoad {
  public:
    /// `lent`: the bytes will stand in `held` before they are announced.
    MemoryLoad(ExpectedState expected, std::span<std::byte> held, bool lent) noexcept
        : expected_(expected), held_(held), lent_(lent) {}

    CallResult write(std::span<const std::byte> source);
    /// `source` must be the part of the held memory that follows what has come.
    CallResult wrote_lent(std::span<const std::byte> source);
    CallResult load_config(std::span<const std::byte> source);
    /// Judges the whole, but for held memory, and says what was loaded.
    CallResult finish(MemoryContent& loaded);
    [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

  private:
    CallResult choose_form();
    CallResult compare_with_config(const MemoryContent& loaded) const;

    ExpectedState expected_;
    std::span<std::byte> held_;
    bool lent_;
    bool in_place_ = false;               ///< Bytes have come in the lent memory.
    std::array<std::byte, 8> opening_{};  ///< The first bytes, which say the form.
    std::size_t opening_bytes_ = 0;
    std::unique_ptr<LoadForm> form_;
    std::optional<MemoryContent> config_;
    std::uint64_t received_ = 0;
};

}  // namespace multifd
