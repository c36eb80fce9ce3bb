#include "channels/codec/zstd_decompressor.hpp"

// Contexts in memory of one's own, and a target that is the window, are declared for those alone
// who ask.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <new>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

/// One block of input that arrives in parts is put together; output needs no room of its own.
std::size_t memory_bytes() {
    return ZSTD_estimateDCtxSize() + ZSTD_BLOCKSIZE_MAX;
}

ErrorCode error_of(std::size_t outcome) noexcept {
    switch (ZSTD_getErrorCode(outcome)) {
        case ZSTD_error_dstSize_tooSmall:
            return Errc::zstd_too_long;
        case ZSTD_error_frameParameter_windowTooLarge:
            return Errc::zstd_window_too_large;
        default:
            return Errc::zstd_corrupt;
    }
}

}  // namespace

ZstdDecompressor::ZstdDecompressor(std::size_t packet_bytes_max)
    : memory_(memory_bytes(), 1),
      context_(ZSTD_initStaticDCtx(memory_.at(0).data(), memory_.at(0).size())) {
    if (context_ == nullptr) throw std::bad_alloc();
    const auto set = [this](ZSTD_dParameter parameter, int value) {
        MULTIFD_ASSERT(ZSTD_isError(ZSTD_DCtx_setParameter(context_, parameter, value)) == 0);
    };
    const int window_log =
        static_cast<int>(std::bit_width(std::max<std::size_t>(packet_bytes_max, 2) - 1));
    set(ZSTD_d_windowLogMax, std::max(window_log, ZSTD_WINDOWLOG_MIN));
    set(ZSTD_d_stableOutBuffer, 1);
}

void ZstdDecompressor::begin(std::span<std::byte> target) noexcept {
    ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
    target_ = target;
    written_ = 0;
    complete_ = false;
}

Result<> ZstdDecompressor::add(std::span<const std::byte> piece) noexcept {
    ZSTD_inBuffer input{piece.data(), piece.size(), 0};
    while (input.pos < input.size) {
        if (complete_) return ErrorCode(Errc::zstd_trailing_bytes);
        ZSTD_outBuffer output{target_.data(), target_.size(), written_};
        const std::size_t before = input.pos;
        const std::size_t outcome = ZSTD_decompressStream(context_, &output, &input);
        if (ZSTD_isError(outcome) != 0) return error_of(outcome);
        complete_ = outcome == 0;
        // It wants to write, and there is no more room.
        const bool stuck = input.pos == before && output.pos == written_ && !complete_;
        written_ = output.pos;
        if (stuck) return ErrorCode(Errc::zstd_too_long);
    }
    return {};
}

Result<> ZstdDecompressor::finish() const noexcept {
    if (!complete_ || written_ != target_.size()) return ErrorCode(Errc::zstd_too_short);
    return {};
}

}  // namespace multifd
