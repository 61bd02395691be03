export { type Brand, checkBrand } from "./brand";
export { createLanguage, type Language, LANGUAGES, type Tag } from "./language";
export { SignIn, type SignInProps } from "./screens";
