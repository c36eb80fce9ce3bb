// StrictRegionDevice: a version 1 device that notices every call that is out of order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "multifd/region_device.hpp"

namespace multifd::test {

/// Its state is a list of chunks, which it gives through a window and takes back only in the same
/// sizes. What the uAPI forbids fails, and is kept in complaint().
class StrictRegionDevice final : public RegionDevice {
  public:
    struct Script {
        std::vector<std::vector<std::byte>> chunks{};  ///< What stop-and-copy gives.
        std::vector<std::vector<std::byte>> early{};   ///< What pre-copy gives, or the other first.
        std::vector<std::byte> config{};
        std::uint64_t window_bytes = 64 * 1024;
        bool has_pre_copy = false;
        bool nothing_yet = false;  ///< Prepares an empty chunk first.
    };
    explicit StrictRegionDevice(Script script) : script_(std::move(script)) {}

    [[nodiscard]] bool pre_copy() const noexcept override { return script_.has_pre_copy; }
    [[nodiscard]] RegionState state() override { return state_; }
    CallResult set_state(RegionState target) override;
    CallResult pending_bytes() override;
    CallResult prepare(RegionChunk& chunk) override;
    CallResult read(std::uint64_t offset, std::span<std::byte> target) override;
    CallResult prepare_write(RegionChunk& room) override;
    CallResult write(std::uint64_t offset, std::span<const std::byte> source) override;
    CallResult written(std::uint64_t size) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult reset() override;

    /// The chunks and the config state that it has been given since RESUMING.
    [[nodiscard]] const std::vector<std::vector<std::byte>>& loaded() const { return loaded_; }
    [[nodiscard]] const std::vector<std::byte>& loaded_config() const { return loaded_config_; }
    [[nodiscard]] const std::string& complaint() const { return complaint_; }
    [[nodiscard]] bool running() const { return state_ == RegionState::running; }
    /// The next read() fails once.
    void fail_next_read() { fail_read_ = true; }

  private:
    CallResult complain(const std::string& what);
    [[nodiscard]] const std::vector<std::byte>* next_chunk() const;
    void begin_save();

    Script script_;
    RegionState state_ = RegionState::running;
    std::string complaint_;
    bool fail_read_ = false;
    // Saving.
    std::size_t position_ = 0;  ///< Over the early chunks, then the others.
    bool asked_ = false;        ///< pending_bytes() since the last chunk.
    bool prepared_ = false;
    std::vector<bool> read_;  ///< Bytes of the prepared chunk.
    // Resuming.
    bool room_ = false;
    std::vector<std::byte> window_;
    std::vector<std::vector<std::byte>> loaded_;
    std::vector<std::byte> loaded_config_;
};

}  // namespace multifd::test
