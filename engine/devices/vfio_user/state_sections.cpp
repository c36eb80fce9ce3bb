#include "engine/devices/vfio_user/state_sections.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::uint8_t kHeaderMark = 0x01;
constexpr std::uint8_t kDataMark = 0x02;
constexpr std::uint8_t kConfigMark = 0x03;
constexpr std::uint8_t kFooterMark = 0x7e;
constexpr std::uint8_t kEndMark = 0x00;

constexpr std::size_t kFixedHeaderBytes = 9;
constexpr std::size_t kInstanceBytes = 4;
constexpr std::size_t kFooterBytes = 16;
constexpr std::size_t kNameBytesMax = 255;

void append_name(Bytes& target, const std::string& name) {
    MULTIFD_ASSERT(name.size() <= kNameBytesMax);
    append_integer(target, static_cast<std::uint8_t>(name.size()));
    append_bytes(target, bytes_of(name));
}

std::string text(const ServedIdentity& identity) {
    return identity.kind + " \"" + identity.idstr + "\"/" + std::to_string(identity.instance_id);
}

}  // namespace

std::uint64_t section_overhead(const ServedIdentity& identity, std::uint64_t state_bytes,
                               std::size_t chunk_bytes, std::size_t config_bytes) noexcept {
    const std::size_t header =
        kFixedHeaderBytes + 2 + identity.kind.size() + identity.idstr.size() + kInstanceBytes;
    // One section is not full where pre-copy ends, and one where the state does.
    const std::uint64_t data_sections = state_bytes / chunk_bytes + 2;
    return header + data_sections * SectionLimits::kDataHeadBytes + SectionLimits::kDataHeadBytes +
           config_bytes + 1 + kFooterBytes + 1;
}

void append_state_header(Bytes& target, const ServedIdentity& identity) {
    append_integer(target, kHeaderMark);
    append_integer(target, SectionLimits::kMagic);
    append_integer(target, SectionLimits::kVersion);
    append_name(target, identity.kind);
    append_name(target, identity.idstr);
    append_integer(target, identity.instance_id);
}

void append_data_head(Bytes& target, std::size_t size) {
    MULTIFD_ASSERT(size > 0 && size <= SectionLimits::kDataBytesMax);
    append_integer(target, kDataMark);
    append_integer(target, static_cast<std::uint32_t>(size));
}

void append_config(Bytes& target, ConstBytes config) {
    MULTIFD_ASSERT(config.size() <= SectionLimits::kConfigBytesMax);
    if (config.empty()) return;
    append_integer(target, kConfigMark);
    append_integer(target, static_cast<std::uint32_t>(config.size()));
    append_bytes(target, config);
}

void append_footer_and_end(Bytes& target, std::uint64_t data_bytes, std::uint64_t digest) {
    append_integer(target, kFooterMark);
    append_integer(target, data_bytes);
    append_integer(target, digest);
    append_integer(target, kEndMark);
}

CallResult SectionReader::feed(ConstBytes bytes, SectionSink& sink) {
    while (failure_.ok() && !bytes.empty()) {
        const std::size_t before = bytes.size();
        failure_ = feed_piece(bytes, sink);
        position_ += before - bytes.size();
    }
    return failure_;
}

CallResult SectionReader::finish() const {
    if (!failure_.ok() || place_ == Place::end) return failure_;
    const bool nothing = place_ == Place::header && pending_.empty();
    if (nothing) return CallResult::success();
    return wrong("the state is incomplete");
}

CallResult SectionReader::feed_piece(ConstBytes& bytes, SectionSink& sink) {
    switch (place_) {
        case Place::header:
            return take_header(bytes);
        case Place::section:
            return take_section(bytes);
        case Place::data_size:
            if (!collect(bytes, 4)) break;
            return take_size(SectionLimits::kDataBytesMax, Place::data);
        case Place::data:
            return feed_data(bytes, sink);
        case Place::config_size:
            if (!collect(bytes, 4)) break;
            return take_size(SectionLimits::kConfigBytesMax, Place::config);
        case Place::config: {
            if (!collect(bytes, size_left_)) break;
            config_seen_ = true;
            digest_.add(pending_);
            CallResult taken = sink.take_config(pending_);
            go_to(Place::section);
            return taken;
        }
        case Place::footer:
            if (!collect(bytes, kFooterBytes + 1)) break;
            return take_footer();
        case Place::end:
            return wrong(std::to_string(bytes.size()) + " bytes or more follow the end");
    }
    return CallResult::success();
}

CallResult SectionReader::feed_data(ConstBytes& bytes, SectionSink& sink) {
    const ConstBytes data = bytes.first(std::min(bytes.size(), size_left_));
    bytes = bytes.subspan(data.size());
    size_left_ -= data.size();
    data_bytes_ += data.size();
    digest_.add(data);
    if (size_left_ == 0) go_to(Place::section);
    return sink.take_data(data);
}

bool SectionReader::collect(ConstBytes& bytes, std::size_t count) {
    const std::size_t wanted = std::min(bytes.size(), count - pending_.size());
    append_bytes(pending_, bytes.first(wanted));
    bytes = bytes.subspan(wanted);
    return pending_.size() == count;
}

// Its length stands in it, twice.
CallResult SectionReader::take_header(ConstBytes& bytes) {
    if (pending_.size() < kFixedHeaderBytes) {
        if (!collect(bytes, kFixedHeaderBytes)) return CallResult::success();
        BigEndianReader reader(pending_);
        const auto mark = reader.integer<std::uint8_t>();
        const auto magic = reader.integer<std::uint32_t>();
        const auto version = reader.integer<std::uint32_t>();
        if (mark != kHeaderMark || magic != SectionLimits::kMagic) {
            return wrong("this is no state of a served device");
        }
        if (version != SectionLimits::kVersion) {
            return wrong("the state has version " + std::to_string(version) + ", known is " +
                         std::to_string(SectionLimits::kVersion));
        }
        return CallResult::success();
    }
    BigEndianReader reader(pending_);
    reader.take(kFixedHeaderBytes);
    ServedIdentity identity;
    for (std::string* name : {&identity.kind, &identity.idstr}) {
        *name = text_of(reader.take(reader.integer<std::uint8_t>()));
    }
    identity.instance_id = reader.integer<std::uint32_t>();
    if (!reader.ok()) {
        collect(bytes, reader.needed());
        return CallResult::success();
    }
    // An instance id of which only a part has come makes the reader say no, never a wrong number.
    if (!(identity == expected_)) {
        return wrong("this is the state of " + text(identity) + ", the device is " +
                     text(expected_));
    }
    go_to(Place::section);
    return CallResult::success();
}

CallResult SectionReader::take_section(ConstBytes& bytes) {
    const auto mark = std::to_integer<std::uint8_t>(bytes.front());
    bytes = bytes.subspan(1);
    if (mark == kDataMark && !config_seen_) {
        go_to(Place::data_size);
    } else if (mark == kConfigMark && !config_seen_) {
        go_to(Place::config_size);
    } else if (mark == kFooterMark) {
        go_to(Place::footer);
    } else {
        return wrong("a section of type " + std::to_string(mark) + " cannot stand there");
    }
    return CallResult::success();
}

CallResult SectionReader::take_size(std::size_t most, Place next) {
    const std::size_t size = BigEndianReader(pending_).integer<std::uint32_t>();
    if (size == 0 || size > most) {
        return wrong("a section of " + std::to_string(size) + " bytes, allowed are 1 to " +
                     std::to_string(most));
    }
    go_to(next);
    size_left_ = size;
    return CallResult::success();
}

CallResult SectionReader::take_footer() {
    BigEndianReader reader(pending_);
    const auto data_bytes = reader.integer<std::uint64_t>();
    const auto digest = reader.integer<std::uint64_t>();
    const auto mark = reader.integer<std::uint8_t>();
    if (data_bytes != data_bytes_) {
        return wrong("the footer tells of " + std::to_string(data_bytes) + " bytes of data, " +
                     std::to_string(data_bytes_) + " have come");
    }
    if (digest != digest_.value()) return wrong("the footer's digest is not that of the state");
    if (mark != kEndMark) return wrong("the end does not follow the footer");
    go_to(Place::end);
    return CallResult::success();
}

void SectionReader::go_to(Place place) noexcept {
    place_ = place;
    pending_.clear();
}

CallResult SectionReader::wrong(std::string what) const {
    return CallResult::failure(std::errc::bad_message,
                               what + " (at byte " + std::to_string(position_) + ")");
}

}  // namespace multifd::vfio_user
