// Exit codes of the command as README.md documents them: written again, so that a change shows.
#pragma once

namespace multifd {

inline constexpr int kUsage = 2;
inline constexpr int kConnection = 3;
inline constexpr int kPeerFailed = 4;
inline constexpr int kDeviceFailed = 5;
inline constexpr int kProtocol = 6;
inline constexpr int kVerification = 7;
inline constexpr int kTimeout = 8;
inline constexpr int kCancelled = 9;
inline constexpr int kUnknownOwner = 10;
inline constexpr int kDisagreement = 11;
inline constexpr int kResources = 13;

}  // namespace multifd
