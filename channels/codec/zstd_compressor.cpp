#include "channels/codec/zstd_compressor.hpp"

// Contexts in memory of one's own, and what they need of it, are declared for those alone who ask.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <new>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

ZSTD_compressionParameters parameters_of(int level, std::size_t packet_bytes_max) {
    MULTIFD_ASSERT(level >= kZstdLevelMin && level <= kZstdLevelMax);
    MULTIFD_ASSERT(packet_bytes_max > 0);
    return ZSTD_getCParams(level, packet_bytes_max, 0);
}

}  // namespace

ZstdCompressor::ZstdCompressor(int level, std::size_t packet_bytes_max)
    : memory_(ZSTD_estimateCCtxSize_usingCParams(parameters_of(level, packet_bytes_max)), 1),
      context_(ZSTD_initStaticCCtx(memory_.at(0).data(), memory_.at(0).size())) {
    if (context_ == nullptr) throw std::bad_alloc();
    // A context in memory of one's own begins without the usual parameters; with them a frame says
    // its size.
    ZSTD_CCtx_reset(context_, ZSTD_reset_session_and_parameters);
    // Every packet gets the parameters that the memory was counted for; by its level alone a small
    // one would get others.
    const auto parameters = parameters_of(level, packet_bytes_max);
    const auto set = [this](ZSTD_cParameter parameter, unsigned value) {
        const auto done = ZSTD_CCtx_setParameter(context_, parameter, static_cast<int>(value));
        MULTIFD_ASSERT(ZSTD_isError(done) == 0);
    };
    set(ZSTD_c_compressionLevel, static_cast<unsigned>(level));
    set(ZSTD_c_windowLog, parameters.windowLog);
    set(ZSTD_c_hashLog, parameters.hashLog);
    set(ZSTD_c_chainLog, parameters.chainLog);
    set(ZSTD_c_searchLog, parameters.searchLog);
    set(ZSTD_c_minMatch, parameters.minMatch);
    set(ZSTD_c_targetLength, parameters.targetLength);
    set(ZSTD_c_strategy, static_cast<unsigned>(parameters.strategy));
}

std::optional<std::size_t> ZstdCompressor::compress(std::span<const std::byte> source,
                                                    std::span<std::byte> target) noexcept {
    const std::size_t size =
        ZSTD_compress2(context_, target.data(), target.size(), source.data(), source.size());
    if (ZSTD_isError(size) != 0) return std::nullopt;
    return size;
}

}  // namespace multifd
