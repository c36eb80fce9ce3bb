#include "engine/devices/vfio_user/state_output.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd::vfio_user {

StateOutput::StateOutput(Device& device, ServedIdentity identity, std::size_t chunk_bytes)
    : device_(device), chunk_bytes_(chunk_bytes) {
    MULTIFD_ASSERT(chunk_bytes > 0 && chunk_bytes <= SectionLimits::kDataBytesMax);
    append_state_header(buffer_, identity);
}

CallResult StateOutput::read(std::span<std::byte> target, bool stopped) {
    if (failed_) {
        return CallResult::failure(std::errc::io_error,
                                   "the save cannot go on where a read of the device failed");
    }
    failed_ = true;  // Also when the device throws.
    std::size_t done = 0;
    while (done < target.size()) {
        if (given_ == buffer_.size()) {
            CallResult filled = refill(stopped);
            if (!filled.ok()) return filled;
            if (buffer_.empty()) break;
        }
        const std::size_t count = std::min(target.size() - done, buffer_.size() - given_);
        std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(given_), count,
                    target.begin() + static_cast<std::ptrdiff_t>(done));
        given_ += count;
        done += count;
    }
    failed_ = false;
    return CallResult::success(done);
}

CallResult StateOutput::refill(bool stopped) {
    buffer_.clear();
    given_ = 0;
    if (ended_) return CallResult::success();
    buffer_.resize(SectionLimits::kDataHeadBytes + chunk_bytes_);
    const auto room = std::span(buffer_).subspan(SectionLimits::kDataHeadBytes);
    CallResult got = read_chunk(room, stopped);
    if (!got.ok() || got.value == 0) {
        buffer_.clear();
        return got.ok() && stopped ? append_end() : got;
    }
    const auto data = room.first(static_cast<std::size_t>(got.value));
    data_bytes_ += data.size();
    digest_.add(data);
    Bytes head;
    append_data_head(head, data.size());
    std::ranges::copy(head, buffer_.begin());
    buffer_.resize(head.size() + data.size());
    return got;
}

CallResult StateOutput::read_chunk(std::span<std::byte> room, bool stopped) {
    std::size_t done = 0;
    while (done < room.size() && !drained_) {
        CallResult got = device_.read(room.subspan(done));
        if (!got.ok()) return got;
        MULTIFD_ASSERT(got.value <= room.size() - done);
        drained_ = stopped && got.value == 0;
        if (got.value == 0) break;
        done += static_cast<std::size_t>(got.value);
    }
    return CallResult::success(done);
}

CallResult StateOutput::append_end() {
    Bytes config;
    CallResult saved = device_.save_config(config);
    if (!saved.ok()) return saved;
    if (config.size() > SectionLimits::kConfigBytesMax) {
        return CallResult::failure(std::errc::message_size, "a config state of " +
                                                                std::to_string(config.size()) +
                                                                " bytes; at most 1 MiB is allowed");
    }
    config_bytes_ = config.size();
    digest_.add(config);
    append_config(buffer_, config);
    append_footer_and_end(buffer_, data_bytes_, digest_.value());
    ended_ = true;
    return CallResult::success();
}

}  // namespace multifd::vfio_user
