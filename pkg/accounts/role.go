package accounts

import "slices"

// Role is a person's place in a business.
type Role string

// The roles of a business.
const (
	Owner   Role = "OWNER"
	Admin   Role = "ADMIN"
	Manager Role = "MANAGER"
	Staff   Role = "STAFF"
)

// Permission is one thing that a role may do, by the name the Django application gave it.
type Permission string

// The permissions of a business.
const (
	CreateSales       Permission = "can_create_sales"
	ViewSales         Permission = "can_view_sales"
	ApproveSales      Permission = "can_approve_sales"
	DeleteSales       Permission = "can_delete_sales"
	ManageProducts    Permission = "can_manage_products"
	ViewInventory     Permission = "can_view_inventory"
	ViewProducts      Permission = "can_view_products"
	UpdateStock       Permission = "can_update_stock"
	ManageCustomers   Permission = "can_manage_customers"
	ViewCustomers     Permission = "can_view_customers"
	ViewReports       Permission = "can_view_reports"
	ExportReports     Permission = "can_export_reports"
	ManageUsers       Permission = "can_manage_users"
	InviteUsers       Permission = "can_invite_users"
	ManageSettings    Permission = "can_manage_settings"
	ViewFinancialData Permission = "can_view_financial_data"
	ManagePayments    Permission = "can_manage_payments"
)

// AllPermissions returns every permission there is in a business. The caller owns the slice.
func AllPermissions() []Permission { return Owner.Permissions() }

// Permissions returns what the role may do, in a fixed order; nothing for a role that does not exist. The caller owns the slice.
func (r Role) Permissions() []Permission {
	cashier := []Permission{CreateSales, ViewSales, ViewInventory, ViewProducts, ViewCustomers}
	manager := slices.Concat(cashier, []Permission{ApproveSales, UpdateStock, ViewReports, ExportReports, ViewFinancialData})
	switch r {
	case Owner, Admin:
		return slices.Concat(manager, []Permission{DeleteSales, ManageProducts, ManageCustomers, ManageUsers, InviteUsers, ManageSettings, ManagePayments})
	case Manager:
		return manager
	case Staff:
		return cashier
	default:
		return nil
	}
}

// May reports whether the role has the permission.
func (r Role) May(p Permission) bool { return slices.Contains(r.Permissions(), p) }
