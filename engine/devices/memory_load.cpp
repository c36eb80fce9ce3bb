#include "engine/devices/memory_load.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

// Far more than any device ever writes; products below stay within 64 bits.
constexpr std::uint64_t kWritesMax = std::uint64_t{1} << 62U;

CallResult wrong_bytes(std::string text) {
    return CallResult::failure(std::errc::bad_message, std::move(text));
}

CallResult wrong_device(std::string_view what, std::uint64_t here, std::uint64_t there) {
    return CallResult::failure(std::errc::no_such_device, std::string("wrong device: ")
                                                              .append(what)
                                                              .append(" is ")
                                                              .append(std::to_string(here))
                                                              .append(" here, the source's is ")
                                                              .append(std::to_string(there)));
}

std::string of_bytes(std::uint64_t part, std::uint64_t whole) {
    return std::to_string(part) + " of " + std::to_string(whole) + " bytes";
}

CallResult check_identity(const ExpectedState& expected, const ContentIdentity& identity) {
    if (expected.seed.value_or(identity.seed) != identity.seed) {
        return wrong_device("seed", *expected.seed, identity.seed);
    }
    if (expected.compressible_pct.value_or(identity.compressible_pct) !=
        identity.compressible_pct) {
        return wrong_device("compressible", *expected.compressible_pct, identity.compressible_pct);
    }
    return CallResult::success();
}

}  // namespace

CallResult PlainLoad::take(std::span<const std::byte> source) {
    if (expected_.bytes && source.size() > *expected_.bytes - position_) {
        return wrong_bytes("the state is longer than " + format_size(*expected_.bytes));
    }
    if (held_.empty()) {
        const ContentPlace place{position_, 0};
        if (const auto wrong = content_.first_wrong(source, place)) {
            const std::uint64_t bytes = expected_.bytes.value_or(kContentBytesMax);
            return wrong_bytes(content_.describe_wrong(source, place, *wrong, bytes));
        }
    } else if (source.data() != held_.data() + position_) {
        std::memmove(held_.data() + position_, source.data(), source.size());
    }
    position_ += source.size();
    return CallResult::success();
}

CallResult PlainLoad::finish(MemoryContent& loaded) {
    if (expected_.bytes && position_ != *expected_.bytes) {
        return wrong_bytes("the state is short: " + of_bytes(position_, *expected_.bytes));
    }
    loaded = {content_.identity(), position_, DirtyRing(position_).writes()};
    return CallResult::success();
}

CallResult RecordLoad::take(std::span<const std::byte> source) {
    while (!source.empty()) {
        if (run_.bytes != 0) {
            const std::size_t length = std::min<std::uint64_t>(run_.bytes, source.size());
            CallResult taken = take_pages(source.first(length));
            if (!taken.ok()) return taken;
            source = source.subspan(length);
            continue;
        }
        const std::size_t length = std::min(head_.size() - head_bytes_, source.size());
        std::memcpy(head_.data() + head_bytes_, source.data(), length);
        head_bytes_ += length;
        source = source.subspan(length);
        if (head_bytes_ < head_.size()) break;
        head_bytes_ = 0;
        const auto record = decode_memory_record(head_);
        if (!record) {
            return wrong_bytes("what should be record " + std::to_string(sequence_) +
                               " of the state is none");
        }
        CallResult begun = begin(*record);
        if (!begun.ok()) return begun;
    }
    return CallResult::success();
}

CallResult RecordLoad::take_pages(std::span<const std::byte> source) {
    const ContentPlace place{run_.offset, run_.generation};
    if (const auto wrong = content_.first_wrong(source, place)) {
        return wrong_bytes(content_.describe_wrong(source, place, *wrong, ring_.state_bytes()));
    }
    if (!held_.empty()) std::memcpy(held_.data() + run_.offset, source.data(), source.size());
    run_.offset += source.size();
    run_.bytes -= source.size();
    return CallResult::success();
}

CallResult RecordLoad::begin(const MemoryRecord& record) {
    if (record.sequence != sequence_) {
        return wrong_bytes("record " + std::to_string(record.sequence) +
                           " of the state came where record " + std::to_string(sequence_) +
                           " should be");
    }
    const bool first = sequence_ == 0;
    if (closed_ || first != (record.kind == MemoryRecordKind::opening)) {
        return wrong_bytes("record " + std::to_string(sequence_) +
                           " of the state is of a kind that cannot stand there");
    }
    ++sequence_;
    if (first) return begin_state(record);
    if (record.kind == MemoryRecordKind::pages) return begin_pages(record);
    closed_ = true;
    if (record.generation != next_write_ || record.generation < ring_.pages() ||
        unbroken_ > record.generation - ring_.pages()) {
        return wrong_bytes("the state ended with pages in an old generation");
    }
    ring_ = DirtyRing(ring_.state_bytes(), record.generation);
    return CallResult::success();
}

CallResult RecordLoad::begin_state(const MemoryRecord& record) {
    if (record.offset > kContentSeedMax || record.generation > 100 ||
        record.bytes > kContentBytesMax) {
        return wrong_bytes("the state's opening record has a number out of range");
    }
    if (expected_.bytes.value_or(record.bytes) != record.bytes) {
        return wrong_device("size", *expected_.bytes, record.bytes);
    }
    if (!held_.empty() && held_.size() != record.bytes) {
        return wrong_device("size", held_.size(), record.bytes);
    }
    content_ = StateContent({record.offset, record.generation});
    ring_ = DirtyRing(record.bytes);
    return check_identity(expected_, content_.identity());
}

CallResult RecordLoad::begin_pages(const MemoryRecord& record) {
    const std::uint64_t bytes = ring_.state_bytes();
    const bool in_state = record.offset < bytes && record.bytes <= bytes - record.offset;
    const bool whole_pages =
        record.offset % kContentPageBytes == 0 &&
        (record.bytes % kContentPageBytes == 0 || record.offset + record.bytes == bytes);
    if (!in_state || !whole_pages || record.bytes == 0 ||
        record.generation > kWritesMax / ring_.pages()) {
        return wrong_bytes("record " + std::to_string(record.sequence) +
                           " of the state has a number out of range");
    }
    const std::uint64_t first = ring_.write_number(record.offset, record.generation);
    if (first < next_write_) {
        return wrong_bytes("pages at offset " + std::to_string(record.offset) +
                           " came in generation " + std::to_string(record.generation) +
                           " after newer ones");
    }
    if (first > next_write_) unbroken_ = first;
    next_write_ = first + (record.bytes + kContentPageBytes - 1) / kContentPageBytes;
    run_ = {record.offset, record.bytes, record.generation};
    return CallResult::success();
}

CallResult RecordLoad::finish(MemoryContent& loaded) {
    if (!closed_) {
        return wrong_bytes("the state is short: it ended after " + std::to_string(sequence_) +
                           " records without its closing record");
    }
    if (head_bytes_ != 0) return wrong_bytes("the state goes on after its closing record");
    loaded = {content_.identity(), ring_.state_bytes(), ring_.writes()};
    return CallResult::success();
}

CallResult MemoryLoad::choose_form() {
    if (starts_memory_record(opening_)) {
        if (in_place_) {
            return CallResult::failure(
                std::errc::invalid_argument,
                "pre-copy records came as if they were the state itself, in its lent memory");
        }
        form_ = std::make_unique<RecordLoad>(expected_, held_);
        return form_->take(opening_);
    }
    std::uint64_t word = 0;
    std::memcpy(&word, opening_.data(), opening_.size());
    const auto identity = StateContent::identity_of_first_word(word);
    if (!identity) {
        return wrong_bytes(
            "the state's first 8 bytes, from offset 0, are wrong: no memory device "
            "gives them");
    }
    CallResult checked = check_identity(expected_, *identity);
    if (!checked.ok()) {
        return wrong_bytes("the state's first 8 bytes, from offset 0, are damaged or of a " +
                           checked.detail);
    }
    form_ = std::make_unique<PlainLoad>(*identity, expected_, held_);
    return form_->take(opening_);
}

CallResult MemoryLoad::write(std::span<const std::byte> source) {
    received_ += source.size();
    if (!form_) {
        const std::size_t length = std::min(opening_.size() - opening_bytes_, source.size());
        std::memcpy(opening_.data() + opening_bytes_, source.data(), length);
        opening_bytes_ += length;
        source = source.subspan(length);
        if (opening_bytes_ < opening_.size()) return CallResult::success();
        CallResult chosen = choose_form();
        if (!chosen.ok()) return chosen;
    }
    return form_->take(source);
}

CallResult MemoryLoad::wrote_lent(std::span<const std::byte> source) {
    if (!lent_ || source.size() > held_.size() - received_ ||
        source.data() != held_.data() + received_) {
        return CallResult::failure(std::errc::invalid_argument,
                                   "the lent memory was not filled in order");
    }
    in_place_ = true;
    return write(source);
}

CallResult MemoryLoad::load_config(std::span<const std::byte> source) {
    if (expected_.config_bytes.value_or(source.size()) != source.size()) {
        return wrong_device("config-size", *expected_.config_bytes, source.size());
    }
    if (source.empty() && expected_.config_bytes) return CallResult::success();
    config_ = read_memory_config(source);
    if (!config_) return wrong_bytes("the config state is damaged or of another kind of device");
    CallResult checked = check_identity(expected_, config_->identity);
    if (!checked.ok()) return checked;
    if (expected_.bytes.value_or(config_->bytes) != config_->bytes) {
        return wrong_device("size", *expected_.bytes, config_->bytes);
    }
    return CallResult::success();
}

CallResult MemoryLoad::compare_with_config(const MemoryContent& loaded) const {
    if (!config_) {
        // Only a user who said that there is none, and how long the state is, can do without it.
        if (expected_.config_bytes == 0U && expected_.bytes) return CallResult::success();
        return wrong_bytes("the config state is missing");
    }
    if (loaded.bytes != config_->bytes) {
        return wrong_bytes("the state is short or long: " + of_bytes(loaded.bytes, config_->bytes));
    }
    if (loaded != *config_) {
        return wrong_bytes("the config state is of another state than the one that came");
    }
    return CallResult::success();
}

CallResult MemoryLoad::finish(MemoryContent& loaded) {
    if (!form_) {
        // Fewer bytes than say whose they are: the config state or the user must.
        const ContentIdentity given{expected_.seed.value_or(0),
                                    expected_.compressible_pct.value_or(0)};
        form_ = std::make_unique<PlainLoad>(config_ ? config_->identity : given, expected_, held_);
        CallResult taken = form_->take(std::span(opening_).first(opening_bytes_));
        if (!taken.ok()) return taken;
    }
    CallResult finished = form_->finish(loaded);
    return finished.ok() ? compare_with_config(loaded) : finished;
}

}  // namespace multifd
