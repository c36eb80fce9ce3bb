#include "tests/engine/devices/region/strict_region_device.hpp"

#include <algorithm>
#include <utility>

namespace multifd::test {
namespace {

// Where chunks stand; not 0, so that a forgotten offset is noticed.
constexpr std::uint64_t kSavedAt = 4096;
constexpr std::uint64_t kWrittenAt = 512;

}  // namespace

CallResult StrictRegionDevice::complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = what;
    return CallResult::failure(std::errc::invalid_argument, what);
}

const std::vector<std::byte>* StrictRegionDevice::next_chunk() const {
    if (position_ < script_.early.size()) return &script_.early[position_];
    const std::size_t rest = position_ - script_.early.size();
    const bool there = state_ == RegionState::stop_and_copy && rest < script_.chunks.size();
    return there ? &script_.chunks[rest] : nullptr;
}

void StrictRegionDevice::begin_save() {
    // What was never copied early does not come later either, but with the rest.
    position_ = 0;
    asked_ = prepared_ = false;
}

CallResult StrictRegionDevice::set_state(RegionState target) {
    const bool goes_on = state_ == RegionState::pre_copy && target == RegionState::stop_and_copy;
    const bool resumed = state_ == RegionState::resuming;
    if (target == RegionState::pre_copy && !script_.has_pre_copy) {
        return complain("it has no pre-copy");
    }
    if (resumed && target == RegionState::stop) {
        // All of a state has come, or it is no state.
        const std::size_t wanted = script_.early.size() + script_.chunks.size();
        if (loaded_.size() != wanted) {
            return CallResult::failure(std::errc::bad_message, "chunks are missing");
        }
    }
    state_ = target;
    if (!goes_on) begin_save();
    if (target == RegionState::resuming) {
        loaded_.clear();
        loaded_config_.clear();
        room_ = false;
    }
    return CallResult::success();
}

CallResult StrictRegionDevice::pending_bytes() {
    if (state_ != RegionState::stop_and_copy && state_ != RegionState::pre_copy) {
        return complain("pending_bytes outside of saving");
    }
    const bool taken = prepared_ && std::ranges::find(read_, false) == read_.end();
    if (taken) {
        ++position_;
        prepared_ = false;
    }
    asked_ = true;
    std::uint64_t bytes = 0;
    for (std::size_t at = position_; at < script_.early.size(); ++at) {
        bytes += script_.early[at].size();
    }
    if (state_ == RegionState::pre_copy) return CallResult::success(bytes);
    const std::size_t rest = std::max(position_, script_.early.size()) - script_.early.size();
    for (std::size_t at = rest; at < script_.chunks.size(); ++at) {
        bytes += script_.chunks[at].size();
    }
    return CallResult::success(bytes);
}

CallResult StrictRegionDevice::prepare(RegionChunk& chunk) {
    if (!asked_) return complain("prepare before pending_bytes was read");
    if (prepared_) return complain("prepare before the last chunk was taken");
    const auto* next = next_chunk();
    if (next == nullptr) return complain("prepare with nothing pending");
    asked_ = false;
    if (std::exchange(script_.nothing_yet, false)) {
        chunk = {kSavedAt, 0};
        return CallResult::success();
    }
    prepared_ = true;
    read_.assign(next->size(), false);
    chunk = {kSavedAt, next->size()};
    return CallResult::success();
}

CallResult StrictRegionDevice::read(std::uint64_t offset, std::span<std::byte> target) {
    if (std::exchange(fail_read_, false)) {
        return CallResult::failure(std::errc::io_error, "the window was torn");
    }
    const auto* chunk = next_chunk();
    if (!prepared_ || chunk == nullptr) return complain("read with no chunk prepared");
    if (offset < kSavedAt || offset - kSavedAt + target.size() > chunk->size()) {
        return complain("read beyond the chunk");
    }
    const auto at = static_cast<std::ptrdiff_t>(offset - kSavedAt);
    std::copy_n(chunk->begin() + at, target.size(), target.begin());
    std::fill_n(read_.begin() + at, target.size(), true);
    return CallResult::success(target.size());
}

CallResult StrictRegionDevice::prepare_write(RegionChunk& room) {
    if (state_ != RegionState::resuming) return complain("prepare_write outside of resuming");
    room = {kWrittenAt, script_.window_bytes};
    room_ = true;
    window_.clear();
    return CallResult::success();
}

CallResult StrictRegionDevice::write(std::uint64_t offset, std::span<const std::byte> source) {
    if (!room_) return complain("write without prepare_write");
    if (offset != kWrittenAt + window_.size()) return complain("write to another place");
    if (window_.size() + source.size() > script_.window_bytes) return complain("write too long");
    window_.insert(window_.end(), source.begin(), source.end());
    return CallResult::success(source.size());
}

CallResult StrictRegionDevice::written(std::uint64_t size) {
    if (!room_ || size != window_.size()) return complain("written of another size");
    const auto& expected = loaded_.size() < script_.early.size() ? script_.early : script_.chunks;
    const std::size_t at =
        loaded_.size() - (&expected == &script_.chunks ? script_.early.size() : 0);
    if (at >= expected.size() || expected[at].size() != size) {
        return CallResult::failure(std::errc::bad_message, "no chunk of mine has that size");
    }
    loaded_.push_back(std::move(window_));
    room_ = false;
    return CallResult::success();
}

CallResult StrictRegionDevice::save_config(std::vector<std::byte>& target) {
    target = script_.config;
    return CallResult::success(target.size());
}

CallResult StrictRegionDevice::load_config(std::span<const std::byte> source) {
    loaded_config_.assign(source.begin(), source.end());
    return CallResult::success();
}

CallResult StrictRegionDevice::reset() {
    loaded_.clear();
    loaded_config_.clear();
    begin_save();
    state_ = RegionState::running;
    return CallResult::success();
}

}  // namespace multifd::test
