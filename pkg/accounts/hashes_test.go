package accounts

// Hashes of "correct horse battery". The PBKDF2 one was computed with Python's hashlib in Django's format; the argon2 ones
// with golang.org/x/crypto, at Django's default cost and at a lower one than ours.
const (
	pbkdf2Hash  = "pbkdf2_sha256$600000$sEcReTsAlT12$tAvi/Xe08807VIe9iaRHTAeK+3pc0Hk7paXTk9H9mt8="
	djangoArgon = "argon2$argon2id$v=19$m=102400,t=2,p=8$YzBmZmVlYzBmZmVlMDEyMw$E5/kV/JkHwpP9I8z1X6knJpIkPe2FJicmHJDtETK/Rc"
	olderArgon  = "$argon2id$v=19$m=4096,t=1,p=1$YzBmZmVlYzBmZmVlMDEyMw$gI4xqUfmysJsUNpRg1Tc0c9wm4r6yiwkji2q/ws1ux8"
)

// PBKDF2Hash is pbkdf2Hash for the tests outside the package.
const PBKDF2Hash = pbkdf2Hash
