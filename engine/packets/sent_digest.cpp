#include "engine/packets/sent_digest.hpp"

#include "channels/wire/assert.hpp"

namespace multifd {

bool SentDigest::await_room(std::uint32_t idx) {
    if (!has_room(idx)) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return aborted_ || has_room(idx); });
    }
    return !aborted_;
}

void SentDigest::add(const SentItem& item) {
    {
        const std::scoped_lock lock(mutex_);
        MULTIFD_ASSERT(has_room(item.idx) && !place_of(item.idx).taken);
        place_of(item.idx) = {item, true};
        if (item.idx != next_) return;
        for (; place_of(next_).taken; ++next_) {
            auto& place = place_of(next_);
            target_.fold(place.item.idx, place.item.flags, place.item.length, place.item.hash);
            place.taken = false;
        }
    }
    room_.notify_one();
}

void SentDigest::abort() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        aborted_ = true;
    }
    room_.notify_one();
}

}  // namespace multifd
